// @ts-check
/** The page that plays all phones of the world, or as many as ring at the same time. */
import { UA, WebSocketInterface } from "jssip";
import { Call } from "./call.mjs";
import { byId } from "./dom.mjs";
import { mayRing, playRing } from "./sounds.mjs";

/** @type {Set<Call>} */
const calls = new Set();
const ringing = () => [...calls].find(({ state }) => state === "rings");
const me = `page-${crypto.randomUUID().slice(0, 8)}`;
const phones = new UA({
  sockets: [new WebSocketInterface(`ws://${location.host}/sip`)],
  uri: `sip:${me}@phones.localhost`,
  contact_uri: `sip:${me}@${crypto.randomUUID()}.invalid;transport=ws`,
  user_agent: "Carillon phones",
  connection_recovery_min_interval: 1,
  connection_recovery_max_interval: 4,
});

const tell = (/** @type {string} */ words) => {
  byId("line").textContent = words;
};
phones.on("registered", () => tell("Waiting for calls."));
phones.on("disconnected", () => tell("npm start is away; this page comes back with it."));
phones.on("registrationFailed", ({ cause }) => tell(`The network does not want this page: ${cause}.`));
phones.on("newRTCSession", (/** @type {import("jssip/lib/UA.js").IncomingRTCSessionEvent} */ event) => {
  if (event.originator !== "remote") return;
  const call = new Call(event.session, event.request, (changed) => {
    if (changed.state === "over") calls.delete(changed);
    show();
  });
  calls.add(call);
  show();
});

function show() {
  const rings = ringing();
  document.title = rings ? `☎ ${rings.number} rings` : "Carillon: the phones";
  byId("silent").hidden = !rings || mayRing();
}

setInterval(() => {
  for (const call of calls) call.tick();
  show();
}, 500);
setInterval(() => {
  if (ringing()) playRing();
}, 2_000);
// What is open is hung up, and this page rings no more.
addEventListener("pagehide", () => phones.stop());
addEventListener("pageshow", ({ persisted }) => persisted && phones.start());
phones.start();
