/** Text of typical graphs, from which the mixing coder starts: op types, attribute names and the bytes around them. */
export const PRIMER = ''
