/** Makes calls, takes calls, and keeps each call's channel in step with the connection. */
import {
  areHeaders,
  type CallEvent,
  type CallFrame,
  type CallHeaders,
  type CallPosition,
  limits,
  type Synced,
} from "../../protocol";
import { Alarm } from "./alarm";
import { Call } from "./call";
import { CallChannel } from "./call-channel";
import type { CallContext, CallStart } from "./call-context";
import { Emitter } from "./emitter";
import { must, mustBeAddress, mustBeNumber, mustBeUserId } from "./errors";
import type { RelayedCall } from "./push-client";
import { timedUuid } from "./runtime";

const acknowledgeMs = 2_000;
/** Fewer events wait for an operation to carry the acknowledgement: alone, it would cost the server two requests. */
const acknowledgeEvents = 16;
const remembered = 64;

export interface CallOptions {
  /** Offer video, and open the camera. */
  video?: boolean;
  /** Reach the callee with the call; 1,024 UTF-8 bytes in all. */
  headers?: CallHeaders;
  /** 5 to 120; 45 by default. */
  ringSeconds?: number;
}

export interface CallClientEvents {
  /** Somebody calls. `hangup()` in the listener dismisses the call before it rings anywhere here. */
  incomingCall: Call;
}

export class CallClient extends Emitter<CallClientEvents> {
  readonly #context: CallContext;
  readonly #calls = new Map<string, Call>();
  /** Also those of ended calls that have something to tell still. */
  readonly #channels = new Map<string, CallChannel>();
  readonly #past = new Set<string>();
  readonly #acknowledging: Alarm;
  /** Events since the last acknowledgement that went out alone, by their weight. */
  #heard = 0;

  /** @internal */
  constructor(context: Omit<CallContext, "transferred">) {
    super();
    this.#context = {
      ...context,
      transferred: (call, to) => this.#transferred(call, to),
      ended: (call, statistics) => {
        this.#past.add(call.callId);
        if (this.#past.size > remembered) this.#past.delete([...this.#past][0] ?? "");
        this.#calls.delete(call.callId);
        this.#tidy();
        context.ended(call, statistics);
      },
    };
    this.#acknowledging = new Alarm(context.runtime);
  }

  /** The calls that have not ended. */
  get calls(): Call[] {
    return [...this.#calls.values()];
  }

  /**
   * Calls a user of this application, or `userId@applicationKey` of another one of the account.
   * Comes back at once; what happens is told by the call's events.
   *
   * @throws CarillonError `invalidUse` for a malformed user id, headers or ring time, and before `start()`.
   * @example
   * const call = client.callClient.callUser("bob", { video: true, headers: { order: "4711" } });
   */
  callUser(userId: string, options: CallOptions = {}): Call {
    // Of another application: what follows is its key.
    mustBeUserId(userId.replace(/(.)@[\da-f-]{36}$/, "$1"));
    return this.#call(userId, options);
  }

  /**
   * Calls a phone. What the account pays for it is in `call.details.rate` once the call is progressing, and
   * told by the event `cost` at the end. `+46000000000` is a test number: free, and it says that it works.
   *
   * @param number E.164: `+`, the calling code of the country, and the number, digits only.
   * @throws CarillonError `invalidUse` for what is no such number, headers that do not begin with `x-`, and
   * before `start()`. Everything else ends the call: see `call.details.error`.
   * @example
   * const call = client.callClient.callPhoneNumber("+14155550101");
   * call.on("ended", () => console.log(call.details.endCause));
   * call.on("cost", ({ amount, currency }) => console.log(`It cost ${amount / 1e6} ${currency}.`));
   */
  callPhoneNumber(number: string, options: Omit<CallOptions, "video"> = {}): Call {
    mustBeNumber(number);
    return this.#call(number, options, "phone");
  }

  /**
   * Calls a SIP address. Headers go into the INVITE; those of the answer are in `call.remoteHeaders`.
   *
   * @param address `user@domain`.
   * @throws CarillonError `invalidUse`, as {@link callPhoneNumber} does. A refusal of the other side ends the
   * call with `sipFailed`, whose `sip` has the status and the reason.
   * @example
   * const call = client.callClient.callSip("echo@example.com", { headers: { "x-order": "4711" } });
   */
  callSip(address: string, options: CallOptions = {}): Call {
    mustBeAddress(address);
    return this.#call(address, options, "sip");
  }

  /**
   * Joins a conference of this application, and makes it if nobody is in. An ordinary call, with
   * `call.participants`; `hangup()` leaves.
   *
   * @param conferenceId 1 to 64 characters.
   * @throws CarillonError `invalidUse` for no id, or as {@link callUser} does.
   * @example
   * const call = client.callClient.callConference("team", { video: true });
   * call.on("participantJoined", ({ displayName, userId }) => console.log(displayName ?? userId, "is here."));
   * call.on("remoteTrack", ({ stream, participant }) => showTile(participant, stream));
   */
  callConference(conferenceId: string, options: Omit<CallOptions, "ringSeconds"> = {}): Call {
    must(
      typeof conferenceId === "string" &&
        // Code points. The server looks more closely.
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for.
        /^[^\0-\x1f\x7f]{1,64}$/u.test(conferenceId),
      "not a conferenceId",
    );
    return this.#call(conferenceId, options, undefined, conferenceId);
  }

  #call(
    to: string,
    { video = false, headers = {}, ringSeconds }: CallOptions,
    line?: CallStart["line"],
    conference?: string,
  ): Call {
    this.#context.mustRun();
    must(!line || Object.keys(headers).every((name) => /^x-/i.test(name)), "headers: no x-");
    must(areHeaders(headers), `headers: more than ${limits.headersBytes} bytes`);
    must(
      !ringSeconds || (ringSeconds >= limits.ringSecondsMin && ringSeconds <= limits.ringSecondsMax),
      "ringSeconds: not 5 to 120",
    );
    must(this.#calls.size < limits.callsPerConnection, "too many calls");
    const channel = this.#open(timedUuid(this.#context.runtime), undefined, false);
    const call = this.#add(channel, {
      direction: "outgoing",
      line,
      conference,
      remoteUserId: to,
      headers: { ...headers },
      video,
      times: { started: this.#context.serverNow() },
      ringSeconds,
    });
    void call.begin();
    return call;
  }

  // ---- what the connection tells --------------------------------------------------------------

  /** @internal Hello goes out: from here on each call waits for its `synced`. */
  positions(): CallPosition[] {
    return [...this.#channels.values()].flatMap((channel) => channel.resume() ?? []);
  }

  /** @internal */
  online(): void {
    for (const channel of this.#channels.values()) channel.online();
    this.#scheduleAcknowledge();
  }

  /** @internal */
  nudge(): void {
    for (const call of this.#calls.values()) call.nudge();
  }

  /** @internal */
  receive(frame: CallFrame | Synced, relayed?: RelayedCall): void {
    const channel = this.#channels.get(frame.callId);
    if (frame.type === "synced") {
      if (!channel) return;
      const call = this.#calls.get(frame.callId);
      // A start that never arrived is of no use to a call that is over.
      const known = !(frame.unknown && !call) && channel.synced(frame);
      if (!known) {
        this.#channels.delete(frame.callId);
        call?.lost();
      }
      this.#tidy();
      return;
    }
    if (frame.event.event === "incoming" && !channel && !this.#past.has(frame.callId)) {
      this.#incoming(frame, relayed);
    } else if (!channel || channel.accept(frame)) {
      this.#calls.get(frame.callId)?.receive(frame.event);
    }
    // The server keeps it until then: a large one counts for several, one for each 8 KB.
    this.#heard += 1 + (JSON.stringify(frame.event).length >> 13);
    this.#scheduleAcknowledge();
    this.#tidy();
  }

  /** @internal */
  find(callId: string): Call | undefined {
    return this.#calls.get(callId);
  }

  /** @internal Now, or a short while ago. */
  knows(callId: string): boolean {
    return this.#calls.has(callId) || this.#past.has(callId);
  }

  /** @internal */
  close(): void {
    for (const call of this.calls) call.hangup();
    this.#acknowledging.clear();
    this.#channels.clear();
    this.removeListeners();
  }

  #incoming(frame: CallFrame, relayed?: RelayedCall): void {
    const event = frame.event as Extract<CallEvent, { event: "incoming" }>;
    const channel = this.#open(frame.callId, frame.origin, true);
    channel.accept(frame);
    const call = this.#add(channel, {
      direction: "incoming",
      conference: event.conference,
      remoteUserId: event.from.userId,
      remoteDisplayName: event.from.displayName,
      headers: event.headers,
      video: event.video,
      times: event.times,
      receivedIn: relayed?.receivedIn,
    });
    if (relayed?.action !== "decline") this.emit("incomingCall", call);
    call.ring(event.offer);
    call.act(relayed?.action);
  }

  #open(callId: string, origin: string | undefined, incoming: boolean): CallChannel {
    const channel = new CallChannel(callId, origin, incoming, this.#context.connection);
    this.#channels.set(callId, channel);
    return channel;
  }

  #add(channel: CallChannel, start: CallStart): Call {
    const call = new Call(this.#context, channel, start);
    this.#calls.set(call.callId, call);
    return call;
  }

  /** The other side of a call has transferred this one. */
  #transferred(call: Call, to: string): void {
    try {
      call.emit("transferred", this.callUser(to, { video: call.video !== "off" }));
    } catch (error) {
      this.#context.log("warning", "call", `Not transferred: ${error}`);
    }
  }

  /** An ended call's channel stays until everything is told. */
  #tidy(): void {
    for (const [callId, channel] of this.#channels) {
      if (channel.idle && this.#past.has(callId)) this.#channels.delete(callId);
    }
  }

  /** Operations carry them along; after many events they go out by themselves, together. */
  #scheduleAcknowledge(): void {
    if (this.#acknowledging.isSet || this.#heard < acknowledgeEvents) return;
    this.#acknowledging.set(acknowledgeMs, () => {
      const calls = [...this.#channels.values()].map(({ position }) => position);
      if (this.#context.connection.tell({ type: "ack", calls })) this.#heard = 0;
    });
  }
}
