/**
 * Where the script of the decoding workers is. The bundler plugins (`sdk/bundler`) emit it and replace this module by one
 * with its final URL; without a plugin, bundle `hardpack/decode-worker` to this place. Where it is missing, chunks are
 * decoded in the page itself.
 */

/** A URL; a relative one is resolved against the page. */
export const ASSETS = { decoder: 'hardpack/decode.js' }
