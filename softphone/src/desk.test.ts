import type { Call, CallClient } from "@carillon/sdk";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Desk } from "./desk";
import { toneOf } from "./tones";

/** A call and a client as far as the desk sees them; `become` is what the SDK would tell. */
class FakeCall {
  state = "initiating";
  held = false;
  conferenceId: string | undefined;
  headers = {};
  details: { endCause: string } = { endCause: "none" };
  readonly #listeners = new Map<string, (value?: unknown) => void>();

  constructor(
    readonly remoteUserId: string,
    readonly direction: "incoming" | "outgoing",
    readonly callId = `call-with-${remoteUserId}`,
  ) {}

  on(event: string, listener: (value?: unknown) => void) {
    this.#listeners.set(event, listener);
  }
  become(state: string) {
    this.state = state;
    this.#listeners.get(state)?.();
  }
  costs(amount: number) {
    this.#listeners.get("cost")?.({ amount, currency: "USD" });
  }
  answer() {}
  hold() {
    this.held = true;
  }
  resume() {
    this.held = false;
  }
  get real() {
    return this as unknown as Call;
  }
}

let desk: Desk;
let comesIn: (call: FakeCall) => void;
let placed: FakeCall[];
let dialled: string[];
let failures: unknown[];
const charged = vi.fn();

const dial = (address: string, as: string) => {
  const call = new FakeCall(address, "outgoing");
  placed.push(call);
  dialled.push(`${as} ${address}`);
  return call;
};

beforeEach(() => {
  placed = [];
  dialled = [];
  failures = [];
  const client = {
    on: (_: string, listener: (call: unknown) => void) => {
      comesIn = (call) => {
        listener(call);
        call.become("ringing");
      };
    },
    callUser: (userId: string) => {
      if (userId === "") throw new Error("nobody");
      return dial(userId, "user");
    },
    callConference: (id: string, { video }: { video: boolean }) => {
      const call = dial(id, `conference ${video}`);
      call.conferenceId = id;
      return call;
    },
    callPhoneNumber: (number: string) => dial(number, "phone"),
    callSip: (address: string, { video }: { video: boolean }) => dial(address, `sip ${video}`),
  } as unknown as CallClient;
  const nothing = () => {};
  charged.mockClear();
  desk = new Desk(
    client,
    {
      changed: nothing,
      began: nothing,
      ended: nothing,
      charged,
      log: nothing,
      failed: (thrown) => failures.push(thrown),
    },
    () => 1_000,
  );
});

const incoming = (from: string) => {
  const call = new FakeCall(from, "incoming");
  comesIn(call);
  return call;
};

describe("the desk", () => {
  it("rings until the call is answered here", async () => {
    const call = incoming("bob");
    expect(desk.ringing).toEqual([call]);
    expect(toneOf(desk.sounding)).toBe("ringtone");
    await desk.answer(call.real, false);
    expect(desk.ringing).toEqual([]);
    expect(toneOf(desk.sounding)).toBeNull();
    expect(desk.shown).toBe(call);
  });

  it("holds the running call when a second one is answered, and comes back to it", async () => {
    await desk.place("bob", false);
    const [first] = placed;
    first?.become("established");
    const second = incoming("carol");
    expect(toneOf(desk.sounding)).toBe("waiting");
    await desk.answer(second.real, false);
    second.become("answered");
    second.become("established");
    expect([first?.held, desk.shown, desk.waiting]).toEqual([true, second, [first]]);

    await desk.show(desk.waiting[0] as Call);
    expect([first?.held, second.held, desk.shown]).toEqual([false, true, first]);
  });

  it("keeps an ended call in view until it is put away", async () => {
    await desk.place("bob", false);
    placed[0]?.become("ended");
    expect([desk.calls, desk.shown]).toEqual([[], placed[0]]);
    desk.dismiss();
    expect(desk.shown).toBeUndefined();
  });

  it("shows a missed call, but not over the one that goes on", async () => {
    const missed = incoming("bob");
    missed.become("ended");
    expect(desk.shown).toBe(missed);

    await desk.place("carol", false);
    placed[0]?.become("established");
    incoming("dave").become("ended");
    expect(desk.shown).toBe(placed[0]);
  });

  it("does not put a live call away", async () => {
    await desk.place("bob", false);
    desk.dismiss();
    expect(desk.shown).toBe(placed[0]);
  });

  it("joins a conference, and keeps how it is looked at as long as it goes on", async () => {
    await desk.place("team", true, "conference");
    expect(dialled).toEqual(["conference true team"]);
    expect([...desk.conferences.keys()]).toEqual(placed);
    placed[0]?.become("ended");
    expect(desk.conferences.size).toBe(0);
  });

  it("calls users, phones and SIP addresses as what they are", async () => {
    await desk.place("bob", false);
    await desk.place("+46701234567", false, "phone");
    await desk.place("echo@example.com", true, "sip");
    expect(dialled).toEqual(["user bob", "phone +46701234567", "sip true echo@example.com"]);
  });

  it("tells when it is known what a call has cost", async () => {
    await desk.place("+46701234567", false, "phone");
    placed[0]?.become("ended");
    expect(charged).not.toHaveBeenCalled();
    placed[0]?.costs(20_000);
    expect(charged).toHaveBeenCalledTimes(1);
  });

  it("tells of what fails", async () => {
    await desk.place("", false);
    expect(failures).toEqual([new Error("nobody")]);
    expect(desk.shown).toBeUndefined();
  });
});
