import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

for (const module of ['cli/main.ts', 'proxy/index.ts']) {
  test(`src/${module} is read without undici, which Node loads for an import of node:http`, () => {
    const url = new URL(`../${module}`, import.meta.url)
    const code = `import(${JSON.stringify(url)}).then(() => console.log(process.moduleLoadList.filter(name => name.includes('undici'))))`
    const { stdout, stderr } = spawnSync(process.execPath, ['--experimental-ffi', '-e', code], { encoding: 'utf8' })
    assert.equal(stdout, '[]\n', stderr)
  })
}
