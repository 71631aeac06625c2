// Package webtorrent speaks the protocol of WebTorrent's trackers (npm package
// bittorrent-tracker, 10.0), so that its clients find each other unchanged.
//
// Each swarm is a room, and each peer in it a quiet member whose id is its peer_id. Both names
// are hexadecimal. A peer that has all of the torrent has the profile {"complete":true}. Offers
// go to other members by chance, each to another one, and answers to the member in to_peer_id:
// both are messages of version 1. On the wire, hashes and ids are strings of 20 characters
// below U+0100, one for each byte.
package webtorrent
