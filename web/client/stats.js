// @ts-check

/**
 * How a connection does. Fields that the platform does not tell are undefined.
 * - roundTrip, jitter: ms
 * - sending, receiving: bits a second since the last look
 * - lost: share of the packets that should have come since the last look; lostThere: of ours, as
 *   the other side tells
 * - width, height, frames a second of the picture that comes; freezes of it in all
 * @typedef {{
 *   roundTrip?: number, sending: number, receiving: number, lost: number, lostThere?: number, jitter?: number,
 *   local?: Candidate, remote?: Candidate, relayed: boolean,
 *   width?: number, height?: number, frames?: number, freezes: number,
 * }} Statistics
 */

/** @typedef {{type: string, protocol: string, address?: string, port?: number, network?: string}} Candidate */

/** @typedef {{at: number, sent: number, received: number, packets: number, lost: number}} Measured */

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
  const statistics = { sending: 0, receiving: 0, lost: 0, relayed: false, freezes: 0 };
  const measured = { at: 0, sent: 0, received: 0, packets: 0, lost: 0 };
  /** @type {any} */
  let selected;
  for (const s of all.values()) {
    if (s.type === "transport") {
      selected = all.get(s.selectedCandidatePairId);
      add(measured, s);
    } else if (s.type === "inbound-rtp") {
      measured.packets += s.packetsReceived ?? 0;
      measured.lost += Math.max(0, s.packetsLost ?? 0);
      statistics.freezes += s.freezeCount ?? 0;
      if (s.jitter !== undefined) statistics.jitter = Math.max(statistics.jitter ?? 0, 1000 * s.jitter);
      if (s.kind === "video" && s.frameWidth) {
        Object.assign(statistics, { width: s.frameWidth, height: s.frameHeight, frames: s.framesPerSecond });
      }
    } else if (s.type === "remote-inbound-rtp" && s.fractionLost !== undefined) {
      statistics.lostThere = Math.max(statistics.lostThere ?? 0, s.fractionLost);
    }
  }
  if (!measured.at) { // Firefox has no transport
    selected = [...all.values()].find((s) => s.type === "candidate-pair" && s.selected);
    if (selected) add(measured, selected);
  }
  if (selected) pair(all, selected, statistics);
  const lost = measured.lost - (before?.lost ?? 0), came = measured.packets - (before?.packets ?? 0);
  if (lost > 0) statistics.lost = lost / (lost + Math.max(0, came));
  const seconds = before ? (measured.at - before.at) / 1000 : 0;
  if (before && seconds > 0) {
    statistics.sending = 8 * Math.max(0, measured.sent - before.sent) / seconds;
    statistics.receiving = 8 * Math.max(0, measured.received - before.received) / seconds;
  }
  return { statistics, measured };
}

/**
 * @param {Measured} measured
 * @param {any} s
 */
function add(measured, s) {
  measured.at = s.timestamp;
  measured.sent += s.bytesSent ?? 0;
  measured.received += s.bytesReceived ?? 0;
}

/**
 * @param {Map<string, any>} all
 * @param {any} selected the pair of candidates in use
 * @param {Statistics} statistics
 */
function pair(all, selected, statistics) {
  if (selected.currentRoundTripTime !== undefined) statistics.roundTrip = 1000 * selected.currentRoundTripTime;
  const end = (/** @type {string} */ id) => {
    const c = all.get(id);
    return c && { type: c.candidateType, protocol: c.relayProtocol ?? c.protocol, address: c.address, port: c.port, network: c.networkType };
  };
  statistics.local = end(selected.localCandidateId);
  statistics.remote = end(selected.remoteCandidateId);
  statistics.relayed = statistics.local?.type === "relay" || statistics.remote?.type === "relay";
}
