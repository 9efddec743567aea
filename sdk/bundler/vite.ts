/** The Vite plugin (`hardpack/vite`): emits workers and ONNX Runtime in a build, and serves them in development. */

import { normalize } from 'node:path'
import type { Plugin } from 'vite'
import { ASSET_MODULES, type AssetFile, assetsModule } from './assets.ts'

/**
 * @example
 * // vite.config.js
 * export default { plugins: [hardpack()] }
 */
export function hardpack(): Plugin {
  /** Of the modules that the app loads. */
  const files = new Map<string, Promise<AssetFile[]>>()
  let base = '/'
  const shipped = async (): Promise<AssetFile[]> => (await Promise.all(files.values())).flat()

  return {
    name: 'hardpack',
    enforce: 'pre',

    // Pre-bundling in development would copy the package's modules past this plugin.
    config: () => ({ optimizeDeps: { exclude: ['hardpack'] } }),

    configResolved(config) {
      base = config.base
    },

    async load(id) {
      const path = normalize(id.replace(/\?.*$/, ''))
      const make = ASSET_MODULES.get(path)
      if (!make) return undefined
      const made = files.get(path) ?? make()
      files.set(path, made)
      return assetsModule(await made, (path) => JSON.stringify(base + path))
    },

    async generateBundle() {
      for (const { path, contents } of await shipped())
        this.emitFile({ type: 'asset', fileName: path, source: contents })
    },

    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const path = request.url?.replace(/\?.*$/, '') ?? ''
        if (!path.startsWith(`${base}hardpack/`)) return next()
        shipped().then((files) => {
          const found = files.find((file) => base + file.path === path)
          if (!found) return next()
          for (const [name, value] of Object.entries(server.config.server.headers ?? {})) {
            if (value !== undefined) response.setHeader(name, value)
          }
          response.setHeader('content-type', found.type)
          response.end(found.contents)
        }, next)
      })
    },
  }
}
