// @ts-check
/** One call on the page: a card that rings, talks, and ends as a line of the log. */
import { byId, clock, element } from "./dom.mjs";
import { playKey } from "./sounds.mjs";

/**
 * @typedef {import("jssip/lib/RTCSession.js").RTCSession} Session
 * @typedef {import("jssip/lib/SIPMessage.js").IncomingRequest} Request
 * @typedef {import("jssip/lib/RTCSession.js").IncomingDTMFEvent | import("jssip/lib/RTCSession.js").OutgoingDTMFEvent} DtmfEvent
 * @typedef {"rings" | "connects" | "talks" | "over"} State
 */

export class Call {
  /** @type {State} */
  state = "rings";
  #begun = Date.now();
  #digits = "";
  #held = { here: false, there: false };
  #status = element("p", { className: "status" });
  #keys = element("output", { className: "digits", ariaLabel: "Digits that arrived", hidden: true });
  #buttons = element("div", { className: "buttons" });
  #sound = element("video", { autoplay: true, playsInline: true, hidden: true });
  card = element("article", { className: "call" });

  /** @param {Session} session @param {Request} request @param {(call: Call) => void} changed */
  constructor(session, request, changed) {
    this.session = session;
    this.changed = changed;
    const { to, from } = request;
    const phone = /^\+?\d+$/.test(String(to.uri.user));
    this.number = phone ? String(to.uri.user) : `${to.uri.user}@${to.uri.host}`;
    const name = from.display_name ? `${from.display_name}, ` : "";
    this.caller = `${name}${from.uri.user ?? "anonymous"}`;
    this.card.ariaLabel = this.number;
    this.card.append(
      element("h2", {}, this.number),
      element("p", { className: "quiet" }, `${this.caller} calls`),
      ...[this.#status, this.#keys, this.#sound, this.#buttons, arrived(request)],
    );
    byId("calls").append(this.card);
    this.#listen();
    this.#show("rings");
  }

  /** What changes by itself. */
  tick() {
    const time = clock(Date.now() - this.#begun);
    const { here, there } = this.#held;
    const hold = here ? ", on hold" : there ? ", held by the caller" : "";
    const words = {
      rings: `Rings, ${time}`,
      connects: "Connects …",
      talks: `Talks, ${time}${hold}`,
      over: "",
    };
    this.#status.textContent = words[this.state];
  }

  #listen() {
    const { session } = this;
    session.on("peerconnection", ({ peerconnection }) => {
      waitForHandshake(peerconnection);
      this.#play(peerconnection);
    });
    session.on("accepted", () => this.#show("connects"));
    session.on("confirmed", () => this.#show("talks"));
    session.on("hold", ({ originator }) => this.#hold(originator, true));
    session.on("unhold", ({ originator }) => this.#hold(originator, false));
    session.on("newDTMF", (/** @type {DtmfEvent} */ event) => {
      if (event.originator === "remote") this.#key(event.dtmf.tone);
    });
    // No page sees tones that come as media: this phone takes them as SIP's INFO alone.
    session.on("sdp", (event) => {
      if (event.originator === "local") event.sdp = withoutTones(event.sdp);
    });
    // No STUN, no TURN: what there is after a moment is all.
    session.on("icecandidate", ({ ready }) => setTimeout(ready, 300));
    session.on("getusermediafailed", (error) => this.#end(`no microphone (${error.name ?? error})`));
    session.on("failed", ({ originator, cause, message }) => this.#end(why(originator, cause, message)));
    session.on("ended", ({ originator, cause }) => {
      const who = originator === "remote" ? `${this.caller} hung up` : "hung up here";
      this.#end(cause === "Terminated" ? who : `ended: ${cause}`);
    });
  }

  #answer() {
    this.#show("connects");
    this.session.answer({ mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } });
  }

  /** @param {State} state */
  #show(state) {
    if (this.state === "over" || (state === this.state && this.#buttons.childElementCount > 0)) return;
    if (state === "talks") this.#begun = Date.now();
    this.state = state;
    this.card.dataset.state = state;
    const { session } = this;
    const answer = button("Answer", "go", () => this.#answer());
    const decline = button("Decline", "stop", () => session.terminate({ status_code: 603 }));
    const hangUp = button("Hang up", "stop", () => session.terminate());
    const focused = this.card.contains(document.activeElement);
    const buttons = {
      rings: [answer, decline],
      connects: [hangUp],
      talks: [this.#holdButton(), hangUp],
      over: [],
    };
    this.#buttons.replaceChildren(...buttons[state]);
    // Whoever is busy elsewhere on the page stays there.
    if (state === "rings" ? document.activeElement === document.body : focused) {
      (state === "rings" ? answer : hangUp).focus();
    }
    this.tick();
    this.changed(this);
  }

  #holdButton() {
    const hold = button("Hold", "", () => {
      if (this.#held.here) this.session.unhold();
      else this.session.hold();
    });
    hold.ariaPressed = String(this.#held.here);
    return hold;
  }

  /** @param {string} originator @param {boolean} held */
  #hold(originator, held) {
    if (originator === "local") this.#held.here = held;
    else this.#held.there = held;
    const pressed = this.#buttons.querySelector("[aria-pressed]");
    if (pressed) pressed.ariaPressed = String(this.#held.here);
    this.tick();
  }

  /** @param {string} key */
  #key(key) {
    this.#digits += key;
    this.#keys.hidden = false;
    this.#keys.textContent = this.#digits;
    playKey(key);
  }

  /** @param {RTCPeerConnection} connection */
  #play(connection) {
    connection.addEventListener("track", ({ streams: [stream], track }) => {
      this.#sound.srcObject = stream ?? new MediaStream([track]);
      if (track.kind === "video") this.#sound.hidden = false;
    });
  }

  /** @param {string} how */
  #end(how) {
    if (this.state === "over") return;
    const talked = this.state === "talks" ? `, after ${clock(Date.now() - this.#begun)}` : "";
    const digits = this.#digits ? [element("span", {}, `digits ${this.#digits}`)] : [];
    this.#show("over");
    this.card.remove();
    const now = new Date();
    const time = element("time", { dateTime: now.toISOString() }, now.toLocaleTimeString());
    const meta = element(
      "p",
      { className: "meta" },
      time,
      element("span", {}, `from ${this.caller}`),
      ...digits,
    );
    byId("log").prepend(element("li", {}, element("h3", {}, `${this.number}: ${how}${talked}`), meta));
  }
}

/** Why it was over before it began. @param {string} originator @param {string} cause @param {unknown} message */
function why(originator, cause, message) {
  const reason = String(/** @type {Request | null} */ (message)?.getHeader?.("Reason") ?? "");
  if (reason.includes("cause=200")) return "answered on another page";
  if (/cause=6\d\d/.test(reason)) return "declined on another page";
  if (cause === "Canceled") return "missed";
  if (cause === "Rejected" && originator === "local") return "declined";
  return `failed: ${cause}`;
}

/**
 * The caller begins the handshake (DTLS). When somebody else takes the caller's place, a browser that began it
 * itself would send it along the old path for seconds: it takes the new one once something has come in there.
 *
 * @param {RTCPeerConnection} connection
 */
function waitForHandshake(connection) {
  const answer = connection.createAnswer.bind(connection);
  const waits = async (/** @type {RTCAnswerOptions} */ options) => {
    const { type, sdp = "" } = await answer(options);
    return { type, sdp: sdp.replace(/^a=setup:active/gm, "a=setup:passive") };
  };
  Object.assign(connection, { createAnswer: waits });
}

/** @param {string} sdp */
function withoutTones(sdp) {
  const types = [...sdp.matchAll(/^a=rtpmap:(\d+) telephone-event\//gm)].map(([, type]) => type);
  const lines = sdp.split("\r\n").filter((line) => {
    const [, of] = /^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) /.exec(line) ?? [];
    return of === undefined || !types.includes(of);
  });
  const media = (/** @type {string} */ line) =>
    line
      .split(" ")
      .filter((word, at) => at < 3 || !types.includes(word))
      .join(" ");
  return lines.map((line) => (line.startsWith("m=audio ") ? media(line) : line)).join("\r\n");
}

/** @param {string} label @param {string} className @param {() => void} onclick */
function button(label, className, onclick) {
  return element("button", { type: "button", className, onclick }, label);
}

/** What a network adds, and who it says that calls. @param {Request} request */
function arrived(request) {
  const lines = request.toString().split("\r\n");
  const shown = lines.slice(0, lines.indexOf("")).filter((line) => /^(from|to|call-id|x-[^:]*):/i.test(line));
  return element("details", {}, element("summary", {}, "What arrived"), element("pre", {}, shown.join("\n")));
}
