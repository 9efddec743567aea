/** The Vite plugin (`hardpack/vite`): emits the worker and ONNX Runtime in a build, and serves them in development. */

import { normalize } from 'node:path'
import type { Plugin } from 'vite'
import { ASSETS_MODULE, type AssetFile, assetFiles, assetsModule } from './assets.ts'

/**
 * @example
 * // vite.config.js
 * export default { plugins: [hardpack()] }
 */
export function hardpack(): Plugin {
  let files: Promise<AssetFile[]> | undefined
  let base = '/'
  let used = false
  const load = (): Promise<AssetFile[]> => {
    files ??= assetFiles()
    return files
  }

  return {
    name: 'hardpack',
    enforce: 'pre',

    // Pre-bundling in development would copy the package's modules past this plugin.
    config: () => ({ optimizeDeps: { exclude: ['hardpack'] } }),

    configResolved(config) {
      base = config.base
    },

    async load(id) {
      if (normalize(id.replace(/\?.*$/, '')) !== ASSETS_MODULE) return undefined
      used = true
      return assetsModule(await load(), (path) => JSON.stringify(base + path))
    },

    async generateBundle() {
      if (!used) return
      for (const { path, contents } of await load()) this.emitFile({ type: 'asset', fileName: path, source: contents })
    },

    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const path = request.url?.replace(/\?.*$/, '') ?? ''
        if (!path.startsWith(`${base}hardpack/`)) return next()
        load().then((files) => {
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
