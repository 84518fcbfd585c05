/** The page: makes the phone, draws it after every change, and hands it what the browser tells. */
import { CarillonClient, checkEnvironment } from "@carillon/sdk";
import { render } from "preact";
import { isLocal, parseLink } from "./link";
import { unreadTotal } from "./messages/inbox";
import { perform } from "./perform";
import { Phone } from "./phone";
import { actionOf, isTyping } from "./shortcuts";
import { App } from "./views/app";
import { nameOf, pageTitle } from "./words";

const root = document.getElementById("app") ?? document.body;
let drawing = false;

/** Many changes of one moment are one drawing. */
function changed(): void {
  if (drawing) return;
  drawing = true;
  queueMicrotask(() => {
    drawing = false;
    document.documentElement.dataset.theme = phone.remembered.theme;
    const { session } = phone;
    const ringing = session?.desk.ringing[0];
    const unread = session ? unreadTotal(session.post.inbox) : 0;
    document.title = pageTitle(ringing && nameOf(ringing), phone.now(), unread);
    render(<App phone={phone} />, root);
    if (isLocal(location.hostname)) expose();
  });
}

/** For tests and for playing in the console, on the developer's own machine only. */
function expose(): void {
  Object.assign(window, { carillon: { client: phone.session?.client, CarillonClient, checkEnvironment } });
}

const phone = new Phone(changed, () => Date.now());

// The clock of a call, and the title that calls while it rings.
setInterval(() => {
  if (phone.session?.desk.calls.length) changed();
}, 1_000);

addEventListener("keydown", (event) => {
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const action = actionOf(event);
  if (action && perform(phone, action)) event.preventDefault();
});
for (const touch of ["pointerdown", "keydown"]) {
  addEventListener(touch, () => phone.session?.sound.retry(), { once: true });
}
// A message in view is read once somebody can see the page; another tab may have typed one meanwhile.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible") return;
  phone.session?.post.look();
  void phone.session?.post.sync();
});
addEventListener("storage", ({ key }) => phone.session?.post.stored(key));
addEventListener("offline", () => phone.network(false));
addEventListener("online", () => phone.network(true));
// Another of the two links, pasted into this tab.
addEventListener("hashchange", () => location.reload());

changed();
void phone.checkEnvironment();
const link = parseLink(location.hash);
if (link.key && link.user) {
  void phone.signIn(link);
} else if (phone.remembered.key && phone.remembered.user) {
  void phone.signIn({ ...phone.remembered, token: "" }, { quietly: true });
}
