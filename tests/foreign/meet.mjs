// Another implementation of libp2p joins a storgo network's DHT, and says in one line of JSON what it found.
//
//   node meet.mjs '{"network": "<64 hex digits>", "via": "/ip4/…/p2p/…", "find": "<peer id>", "content": "<CID>"}'
//
// It knows storgo by its documents only: the DHT's protocol name, and that the key of a provider record is the
// multihash of the CID.

import { noise } from '@chainsafe/libp2p-noise'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'

const PATIENCE_MS = 30_000

// Node 20 lacks it, and the packages use it.
Promise.withResolvers ??= function () {
  const parts = {}
  parts.promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }))
  return parts
}

const { network, via, find, content } = JSON.parse(process.argv[2])
const signal = AbortSignal.timeout(PATIENCE_MS)

const host = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: {
    identify: identify(),
    ping: ping(),
    dht: kadDHT({
      protocol: `/storgo/${network}/kad/1`,
      peerInfoMapper: passthroughMapper,
      clientMode: false
    })
  }
})

// Each connection begins with identify.
const identifying = new Promise(resolve => host.addEventListener('peer:identify', resolve, { once: true, signal }))
await host.dial(multiaddr(via), { signal })
const identified = (await identifying).detail

// The other side enters the routing table once identify has told that it speaks the DHT's protocol, and a ping came back.
while (host.services.dht.routingTable.size === 0) {
  signal.throwIfAborted()
  await new Promise(resolve => setTimeout(resolve, 20))
}

// Only now: storgo answers one stream of pings at a time.
const pingMs = await host.services.ping.ping(multiaddr(via), { signal })

const found = await host.peerRouting.findPeer(peerIdFromString(find), { signal })

const providers = []
for await (const provider of host.contentRouting.findProviders(CID.parse(content), { signal })) {
  providers.push(provider.id.toString())
}

console.log(JSON.stringify({
  me: host.peerId.toString(),
  identified: {
    peer: identified.peerId.toString(),
    agent: identified.agentVersion,
    protocols: identified.protocols
  },
  pingMs,
  routingTable: host.services.dht.routingTable.size,
  found: { peer: found.id.toString(), addresses: found.multiaddrs.map(address => address.toString()) },
  providers: [...new Set(providers)]
}))
await host.stop()
