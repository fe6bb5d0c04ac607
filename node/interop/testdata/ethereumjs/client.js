// Talks eth/68 to a node by @ethereumjs/devp2p, and prints one line of JSON with all that it got:
//
//     node client.js HOST PORT NODE_ID GENESIS_FILE GENESIS_HASH
//
// It exchanges statuses, asks for the headers of blocks 0 to 600, from the head of the node's status
// back, and for the receipts of some of them. What comes is printed as RLP. If the node ends the
// link, that is an error.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Mainnet, createCustomCommon } from '@ethereumjs/common'
import { DisconnectReasonNames, ETH, EthMessageCodes, RLPx } from '@ethereumjs/devp2p'
import { RLP } from '@ethereumjs/rlp'
import { bytesToHex, bytesToInt, hexToBytes, intToBytes } from '@ethereumjs/util'

const [host, port, nodeID, genesisFile, genesisHash] = process.argv.slice(2)
const { GET_BLOCK_HEADERS, BLOCK_HEADERS, GET_RECEIPTS, RECEIPTS } = EthMessageCodes
const head = 600
const withReceipts = [1, 2, 15, 300, head]

// common returns the chain of a genesis file in go-ethereum's form that has all forks by number at block 0.
function common() {
  const { config } = JSON.parse(readFileSync(genesisFile))
  const hardforks = [{ name: 'chainstart', block: 0 }, { name: 'paris', block: 0 }]
  for (const name of ['shanghai', 'cancun', 'prague', 'osaka', 'bpo1', 'bpo2', 'amsterdam']) {
    hardforks.push({ name, block: null, timestamp: config[`${name}Time`] })
  }
  const c = createCustomCommon({ name: 'test', chainId: config.chainId, hardforks }, Mainnet, { hardfork: 'amsterdam' })
  c.setForkHashes(hexToBytes(genesisHash))
  return c
}

const rlpx = new RLPx(randomBytes(32), {
  capabilities: [ETH.eth68], common: common(), maxPeers: 1, timeout: 10_000,
})

function fail(err) {
  console.error(err)
  process.exit(1)
}

rlpx.events.on('error', fail)
rlpx.events.on('peer:error', (_, err) => fail(err))
rlpx.events.on('peer:removed', (_, reason, byUs) => {
  if (!byUs) fail(`the node ended the link: ${DisconnectReasonNames[reason] ?? reason}`)
})
rlpx.events.once('peer:added', (peer) => {
  const eth = peer.getProtocols()[0]
  const waiting = new Map() // what to do with the answer to a request, by its ID
  let lastID = 0
  eth.events.on('message', (code, [id, content]) => {
    if (code === GET_BLOCK_HEADERS) eth.sendMessage(BLOCK_HEADERS, [id, []])
    if (code === BLOCK_HEADERS || code === RECEIPTS) waiting.get(bytesToInt(id))(content)
  })
  function ask(code, content) {
    lastID++
    eth.sendMessage(code, [intToBytes(lastID), content])
    return new Promise((resolve) => waiting.set(lastID, resolve))
  }
  eth.events.once('status', async (status) => {
    const headers = await ask(GET_BLOCK_HEADERS, [status.bestHash, intToBytes(head + 1), new Uint8Array(), intToBytes(1)])
    headers.reverse()
    const hashes = headers.slice(1).map((h) => h[0]) // of each block's parent
    hashes.push(status.bestHash)
    const receipts = await ask(GET_RECEIPTS, withReceipts.map((n) => hashes[n]))
    const encoded = (item) => bytesToHex(RLP.encode(item))
    process.stdout.write(JSON.stringify({
      status: { chainID: bytesToHex(status.chainId), td: bytesToHex(status.td), head: bytesToHex(status.bestHash), genesis: bytesToHex(status.genesisHash), fork: bytesToHex(status.forkId[0]) },
      headers: headers.map(encoded),
      receipts: Object.fromEntries(receipts.map((r, i) => [withReceipts[i], encoded(r)])),
    }) + '\n', () => process.exit(0))
  })
  eth.sendStatus({ td: new Uint8Array(), bestHash: hexToBytes(genesisHash), genesisHash: hexToBytes(genesisHash) })
})

await rlpx.connect({ id: hexToBytes(`0x${nodeID}`), address: host, tcpPort: Number(port) })
setTimeout(() => fail('no answer in time'), 60_000).unref()
