/** Text for HTML and SVG: whatever is put into a template is escaped, unless it is markup itself. */

export class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Part = Markup | string | number | false | undefined | readonly Part[]

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
/** Characters that HTML does not allow at all: most control characters, and those that reorder text around them. */
const FORBIDDEN = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu

const escaped = (text: string): string =>
  text.replace(FORBIDDEN, '\ufffd').replace(/[&<>"']/g, (character) => ENTITIES[character])

function write(part: Part): string {
  if (part === false || part === undefined) return ''
  if (part instanceof Markup) return part.text
  if (Array.isArray(part)) return part.map(write).join('')
  return escaped(String(part))
}

/**
 * Markup from a template.
 *
 * @example
 * html`<td>${'a < b'}</td>`.text // '<td>a &lt; b</td>'
 */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Markup {
  return new Markup(strings.reduce((text, string, i) => text + write(parts[i - 1]) + string))
}
