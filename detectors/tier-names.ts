/** The names by which passes of a guard find one another. */

/** The input of every tier that takes the protected model's outputs of the first pass, float32 [n, classes]. */
export const LOGITS_INPUT = 'hardpack.logits'

/** The output of every tier: float32 [n], higher means stranger. */
export const SCORE_OUTPUT = 'score'
