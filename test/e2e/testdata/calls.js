// Calls between two peers of one page that speak the protocol themselves, and report how it goes. What
// became of each call is in window.counted; window.waiting says that a caller wants its connection cut.

window.counted = {};
window.paths = {};
window.waiting = false;

class Peer {
  received = 0;
  #heard = new Map();

  constructor(room, id, url) {
    Object.assign(this, { room, id, url });
  }

  /** Opens a connection and begins with a message; settles when the answer has come. */
  open(first, answer) {
    const socket = this.socket = new WebSocket(this.url);
    socket.onopen = () => socket.send(JSON.stringify(first));
    socket.onmessage = (event) => {
      const m = JSON.parse(event.data);
      this.received++;
      if (m.session) this.session = m.session;
      if (m.ice_servers) this.servers = m.ice_servers;
      this.#heard.get(m.type)?.(m);
    };
    return new Promise((done, fail) => {
      this.on(answer, done);
      socket.onerror = () => fail(new Error("no connection"));
    });
  }

  on(type, act) {
    this.#heard.set(type, act);
  }

  next(type) {
    return new Promise((done) => this.on(type, done));
  }

  join() {
    return this.open({ type: "join", room: this.room, from: this.id, resumable: true }, "joined");
  }

  /** Takes up the membership on another connection, when the network is back. */
  async resume() {
    for (;;) {
      try {
        return await this.open({ type: "resume", session: this.session, received: this.received }, "resumed");
      } catch {
        await new Promise((done) => setTimeout(done, 100));
      }
    }
  }

  send(type, to, rest = {}) {
    this.socket.send(JSON.stringify({ type, to, ...rest }));
  }

  report(to, data) {
    this.send("report", to, { data });
  }

  /** Makes the peer connection; fails is called when there is no candidate. */
  connect(to, kind, fails) {
    const relay = kind === "no-relay" || kind === "no-candidate";
    const iceServers = kind === "no-candidate" ? [] : (this.servers ?? []).map((s) => ({ ...s, credential: kind === "no-relay" ? "wrong" : s.credential }));
    const pc = this.pc = new RTCPeerConnection({ iceServers, iceTransportPolicy: relay || kind === "relayed" ? "relay" : "all" });
    let found = 0;
    pc.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) {
        found++;
        this.send("candidate", to, { candidate });
      } else if (!candidate && found === 0) fails();
    };
    const waiting = [];
    this.describe = async (type, sdp) => {
      await pc.setRemoteDescription({ type, sdp });
      for (const c of waiting.splice(0)) await pc.addIceCandidate(c);
    };
    this.on("candidate", ({ candidate }) => (pc.remoteDescription ? pc.addIceCandidate(candidate) : waiting.push(candidate)));
    return pc;
  }

  /** How the connection goes, from its statistics, which come a moment later. */
  async figures() {
    for (;; await new Promise((done) => setTimeout(done, 20))) {
      const stats = await this.pc.getStats();
      for (const s of stats.values()) {
        if (s.type !== "candidate-pair" || !s.nominated || s.state !== "succeeded" || s.currentRoundTripTime === undefined) continue;
        const local = stats.get(s.localCandidateId);
        return { path: local.candidateType, protocol: local.relayProtocol ?? local.protocol, rtt_ms: s.currentRoundTripTime * 1000 };
      }
    }
  }

  leave() {
    this.pc?.close();
    this.send("leave");
    this.socket.close();
  }
}

/** Makes one call of a kind. The caller's way to the server can be cut. */
window.makeCall = async (kind, direct, through) => {
  const caller = new Peer(`call ${kind}`, "caller", through), callee = new Peer(`call ${kind}`, "callee", direct);
  await callee.join();
  await caller.join();
  callee.on("offer", async ({ sdp }) => {
    if (kind === "unanswered") return;
    if (kind === "declined") {
      callee.send("hangup", "caller");
      callee.report("caller", { outcome: "declined", reason: "not_now" });
      return;
    }
    const pc = callee.connect("caller", kind, () => {});
    await callee.describe("offer", sdp);
    await pc.setLocalDescription();
    callee.send("answer", "caller", { sdp: pc.localDescription.sdp });
  });
  callee.on("hangup", () => callee.report("caller", { outcome: "ended" }));

  const began = performance.now();
  const outcome = await new Promise((done) => {
    const pc = caller.connect("callee", kind, () => done("failed"));
    const channel = pc.createDataChannel("call");
    channel.onopen = () => done("connected");
    caller.on("hangup", () => done("declined"));
    caller.on("answer", ({ sdp }) => caller.describe("answer", sdp));
    if (kind === "unanswered") setTimeout(() => done("unanswered"), 500);
    pc.setLocalDescription().then(() => caller.send("offer", "callee", { sdp: pc.localDescription.sdp }));
  });
  if (outcome === "connected") {
    const setup = performance.now() - began;
    const figures = await caller.figures();
    window.paths[figures.path] = (window.paths[figures.path] ?? 0) + 1;
    caller.report("callee", { outcome, setup_ms: setup, ...figures });
  } else caller.report("callee", { outcome, ...(outcome === "failed" && { reason: "no_candidate" }) });
  if (kind === "resumed") {
    const lost = new Promise((done) => (caller.socket.onclose = done));
    window.waiting = true;
    await lost;
    await caller.resume();
  }
  caller.send("hangup", "callee");
  caller.report("callee", { outcome: "ended" });
  window.counted[outcome] = (window.counted[outcome] ?? 0) + 1;
  caller.leave();
  callee.leave();
};
