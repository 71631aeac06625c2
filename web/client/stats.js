// @ts-check

/**
 * How a connection does. Fields that the browser does not tell are undefined.
 * @typedef {{
 *   roundTrip?: number, sending: number, receiving: number, lost: number, jitter?: number,
 *   local?: Candidate, remote?: Candidate, relayed: boolean,
 *   width?: number, height?: number, frames?: number,
 * }} Statistics roundTrip and jitter in ms; sending and receiving in bits a second, since
 *   the last look; lost: share of the packets that should have come; width, height and
 *   frames a second of the picture that comes
 */

/** @typedef {{type: string, protocol: string, address?: string, port?: number, network?: string}} Candidate */

/** @typedef {{at: number, sent: number, received: number}} Measured */

/**
 * Picks what matters out of the statistics of a connection.
 * @param {RTCStatsReport} report
 * @param {Measured} [before] when it was last read
 * @returns {{statistics: Statistics, measured: Measured}}
 */
export function summarize(report, before) {
  /** @type {Map<string, any>} */
  const all = new Map(/** @type {any} */ (report));
  /** @type {Statistics} */
  const statistics = { sending: 0, receiving: 0, lost: 0, relayed: false };
  const measured = { at: 0, sent: 0, received: 0 };
  let packets = 0, lost = 0;
  for (const s of all.values()) {
    if (s.type === "transport") {
      measured.at = s.timestamp;
      measured.sent += s.bytesSent ?? 0;
      measured.received += s.bytesReceived ?? 0;
      pair(all, all.get(s.selectedCandidatePairId), statistics);
    } else if (s.type === "candidate-pair" && s.selected) { // Firefox has no transport
      measured.at = s.timestamp;
      measured.sent = s.bytesSent ?? 0;
      measured.received = s.bytesReceived ?? 0;
      pair(all, s, statistics);
    } else if (s.type === "inbound-rtp") {
      packets += s.packetsReceived ?? 0;
      lost += Math.max(0, s.packetsLost ?? 0);
      if (s.jitter !== undefined) statistics.jitter = Math.max(statistics.jitter ?? 0, 1000 * s.jitter);
      if (s.kind === "video" && s.frameWidth) {
        Object.assign(statistics, { width: s.frameWidth, height: s.frameHeight, frames: s.framesPerSecond });
      }
    }
  }
  if (packets + lost > 0) statistics.lost = lost / (packets + lost);
  const seconds = before ? (measured.at - before.at) / 1000 : 0;
  if (before && seconds > 0) {
    statistics.sending = 8 * Math.max(0, measured.sent - before.sent) / seconds;
    statistics.receiving = 8 * Math.max(0, measured.received - before.received) / seconds;
  }
  return { statistics, measured };
}

/**
 * @param {Map<string, any>} all
 * @param {any} selected the pair of candidates in use
 * @param {Statistics} statistics
 */
function pair(all, selected, statistics) {
  if (!selected) return;
  if (selected.currentRoundTripTime !== undefined) statistics.roundTrip = 1000 * selected.currentRoundTripTime;
  const end = (/** @type {string} */ id) => {
    const c = all.get(id);
    return c && { type: c.candidateType, protocol: c.relayProtocol ?? c.protocol, address: c.address, port: c.port, network: c.networkType };
  };
  statistics.local = end(selected.localCandidateId);
  statistics.remote = end(selected.remoteCandidateId);
  statistics.relayed = statistics.local?.type === "relay" || statistics.remote?.type === "relay";
}
