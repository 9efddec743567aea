/** Tables of the documentation, as Markdown, on standard output. */

export const distinct = (values: readonly string[]): string[] => [...new Set(values)]

/** Prints a table whose first column is left and whose others are right. */
export function say(title: string, [head, ...body]: string[][]): void {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
  const rule = `|---|${'---:|'.repeat(head.length - 1)}\n`
  process.stdout.write(`${title}\n\n${line(head)}${rule}${body.map(line).join('')}\n`)
}
