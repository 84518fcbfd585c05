import type { Call } from "@carillon/sdk";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Conference } from "./conference";

class FakeCall {
  callId = "12345678-call";
  participants = [{ id: "a" }];
  readonly done: unknown[] = [];
  readonly #listeners = new Map<string, (value: unknown) => void>();

  on(event: string, listener: (value: unknown) => void) {
    this.#listeners.set(event, listener);
  }
  tell(event: string, value: unknown) {
    this.#listeners.get(event)?.(value);
  }
  invite(userId: string, { video }: { video: boolean }) {
    if (userId === "bad id") throw new Error("not a user id");
    this.done.push(["user", userId, video]);
    return "i1";
  }
  invitePhoneNumber(number: string) {
    this.done.push(["phone", number]);
    return "i2";
  }
  inviteSip(address: string) {
    this.done.push(["sip", address]);
    return "i3";
  }
  setVideoSize(id: string, size: unknown) {
    this.done.push([id, size]);
  }
}

let call: FakeCall;
let conference: Conference;
const changed = vi.fn();

beforeEach(() => {
  call = new FakeCall();
  changed.mockClear();
  conference = new Conference(call as unknown as Call, { changed, log: () => {} });
});

describe("a conference on the page", () => {
  it("calls in users, phones and SIP addresses, and follows what becomes of them", () => {
    conference.invite("bob", "user", true);
    conference.invite("+46701", "phone", true);
    conference.invite("echo@example.com", "sip", false);
    expect(call.done).toEqual([
      ["user", "bob", true],
      ["phone", "+46701"],
      ["sip", "echo@example.com"],
    ]);
    call.tell("invitation", { id: "i1", state: "ringing" });
    call.tell("invitation", { id: "i2", state: "ended", endCause: "denied" });
    call.tell("invitation", { id: "i3", state: "answered" });
    expect(conference.invitations.map(({ to, told }) => [to, told?.state])).toEqual([
      ["bob", "ringing"],
      ["+46701", "ended"],
    ]);
    conference.forget("i2");
    expect(conference.invitations.map(({ to }) => to)).toEqual(["bob"]);
  });

  it("has no invitation that was refused at once", () => {
    expect(() => conference.invite("bad id", "user", false)).toThrow("not a user id");
    expect(conference.invitations).toEqual([]);
  });

  it("keeps who spoke last in view", () => {
    call.tell("activeSpeakers", [{ id: "b" }, { id: "a" }]);
    call.tell("activeSpeakers", []);
    expect(conference.view.speaker).toBe("b");
    expect(changed).toHaveBeenCalledTimes(2);
  });

  it("enlarges a tile until it is pressed again, its person leaves, or the speaker is followed", () => {
    conference.pin("a");
    conference.pin("b");
    expect(conference.view.pinned).toBe("b");
    conference.pin("b");
    expect(conference.view.pinned).toBeUndefined();
    conference.pin("a");
    call.tell("participantLeft", { id: "a" });
    expect(conference.view.pinned).toBeUndefined();
    conference.pin("b");
    conference.follow(true);
    expect(conference.view).toMatchObject({ pinned: undefined, follows: true });
  });

  it("asks for no picture of somebody who has left", () => {
    conference.seen("a", { width: 320, height: 180 });
    conference.seen("gone", null);
    expect(call.done).toEqual([["a", { width: 320, height: 180 }]]);
  });

  it("knows what was decided over this person's head", () => {
    call.tell("silenced", { muted: true, held: false });
    expect(conference.silence).toEqual({ muted: true, held: false });
  });
});
