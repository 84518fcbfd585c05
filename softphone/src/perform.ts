import type { Call } from "@carillon/sdk";
import type { Desk } from "./desk";
import type { Phone } from "./phone";
import type { Action } from "./shortcuts";

/** A letter that was meant for a field must not answer a call that has just come in, milliseconds. */
const graceMs = 500;

/** Carries a shortcut out; false when there is nothing that it could be about. */
export function perform(phone: Phone, action: Action): boolean {
  if (action === "help") {
    phone.helpShown = true;
    phone.changed();
    return true;
  }
  const desk = phone.session?.desk;
  if (!desk) return false;
  const ringing = desk.ringing[0];
  if (ringing && (action === "answer" || action === "hangup")) {
    if (phone.now() - (desk.since.get(ringing) ?? 0) < graceMs) return false;
    void (action === "answer" ? desk.answer(ringing, false) : desk.run(() => ringing.hangup()));
    return true;
  }
  const call = desk.shown;
  if (!call || call.state === "ended" || action === "answer") return false;
  if (action !== "hangup" && call.state !== "established") return false;
  void toggles[action](desk, call);
  return true;
}

/** What the buttons and the shortcuts of a call do. */
export const toggles = {
  hangup: (desk: Desk, call: Call) => desk.run(() => call.hangup()),
  mute: (desk: Desk, call: Call) => desk.run(() => (call.muted ? call.unmute() : call.mute())),
  hold: (desk: Desk, call: Call) => desk.run(() => (call.held ? call.resume() : call.hold())),
  video: (desk: Desk, call: Call) =>
    desk.run(() => (call.video === "on" || call.video === "paused" ? call.stopVideo() : call.startVideo())),
  pause: (desk: Desk, call: Call) =>
    desk.run(() => (call.video === "paused" ? call.resumeVideo() : call.pauseVideo())),
  screen: (desk: Desk, call: Call) =>
    desk.run(() => (call.video === "screen" ? call.stopScreenSharing() : call.startScreenSharing())),
};
