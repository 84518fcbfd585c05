import type { Phone } from "../phone";
import { CallPanel } from "./call-panel";
import { Dial } from "./dial";
import { Header } from "./header";
import { Help } from "./help";
import { IncomingCard } from "./incoming-card";
import { LogPanel } from "./log-panel";
import { Messages } from "./messages/pane";
import { Notices } from "./notices";
import { Settings } from "./settings";
import { SignIn } from "./sign-in";
import { Waiting } from "./waiting";

export function App({ phone }: { phone: Phone }) {
  return (
    <div class={phone.session ? "page in" : "page"}>
      <Header phone={phone} />
      <main>
        <Notices phone={phone} />
        {phone.session ? <Desk phone={phone} session={phone.session} /> : <SignIn phone={phone} />}
      </main>
      {phone.session && <Messages phone={phone} session={phone.session} />}
      <aside aria-label="Event log">
        <LogPanel log={phone.log} />
      </aside>
      {phone.helpShown && <Help phone={phone} />}
      {phone.settingsShown && phone.session && <Settings phone={phone} session={phone.session} />}
    </div>
  );
}

function Desk({ phone, session }: { phone: Phone; session: NonNullable<Phone["session"]> }) {
  const { desk } = session;
  const busy = desk.shown !== undefined && desk.shown.state !== "ended";
  return (
    <>
      {desk.ringing.map((call) => (
        <IncomingCard key={call.callId} call={call} desk={desk} />
      ))}
      <Waiting desk={desk} />
      {desk.shown && !desk.ringing.includes(desk.shown) && (
        <CallPanel key={desk.shown.callId} call={desk.shown} phone={phone} session={session} />
      )}
      {!busy && <Dial phone={phone} session={session} />}
    </>
  );
}
