// Bluesky's PDS with a PLC directory of its own, both on 127.0.0.1: start.mjs <modules> <data> <port> <port of the directory>
// The secret that sessions are signed with comes in PDS_JWT_SECRET.
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import net from 'node:net'

const [modules, data, port, plcPort] = process.argv.slice(2)

// The PDS has no setting for the address that it listens at.
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (first, ...rest) {
  if (typeof first === 'number') return listen.call(this, first, '127.0.0.1', ...rest.filter((other) => typeof other !== 'string'))
  if (first && typeof first === 'object' && 'port' in first) return listen.call(this, { ...first, host: '127.0.0.1' }, ...rest)
  return listen.call(this, first, ...rest)
}

const require = createRequire(`${modules}/`)
const { PlcServer, Database } = require('@did-plc/server')
const { PDS } = await import(require.resolve('@atproto/pds'))

await PlcServer.create({ db: Database.mock(), port: Number(plcPort) }).start()

const secret = () => randomBytes(32).toString('hex')
mkdirSync(`${data}/blobs`, { recursive: true })
Object.assign(process.env, {
  PDS_PORT: port,
  PDS_HOSTNAME: 'localhost',
  PDS_DEV_MODE: 'true',
  PDS_INVITE_REQUIRED: '0',
  PDS_SERVICE_HANDLE_DOMAINS: '.test',
  PDS_DISABLE_SSRF_PROTECTION: '1',
  PDS_RATE_LIMITS_ENABLED: 'false',
  PDS_DATA_DIRECTORY: data,
  PDS_BLOBSTORE_DISK_LOCATION: `${data}/blobs`,
  PDS_DID_PLC_URL: `http://127.0.0.1:${plcPort}`,
  PDS_ADMIN_PASSWORD: secret(),
  PDS_DPOP_SECRET: secret(),
  PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX: secret(),
  LOG_ENABLED: '0',
})
await (await PDS.fromEnv()).start()
