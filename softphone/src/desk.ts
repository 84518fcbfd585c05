/** The calls of the phone: one in the foreground, others on hold, and those that ring. */
import type { Call, CallClient } from "@carillon/sdk";
import { Conference } from "./conference/conference";
import type { Kind } from "./destination";
import { isRinging } from "./tones";
import { qualityParts } from "./words";

/** What the desk tells the phone. */
export interface DeskEvents {
  changed(): void;
  /** A call that came or was placed. */
  began(): void;
  ended(call: Call): void;
  /** It is known what a call has cost. */
  charged(): void;
  log(text: string, level?: "debug" | "info" | "warn"): void;
  failed(thrown: unknown): void;
}

const talks = (call: Call) => call.state === "answered" || call.state === "established";

export class Desk {
  /** The live calls, oldest first. */
  calls: Call[] = [];
  /** The call in the foreground; one that has ended stays until something else takes its place. */
  shown: Call | undefined;
  /** Calls whose media has stopped coming through. */
  readonly interrupted = new Set<Call>();
  /** When each live call came or was placed, milliseconds since 1970. */
  readonly since = new Map<Call, number>();
  /** What the page keeps of those that are conferences. */
  readonly conferences = new Map<Call, Conference>();
  /** Answered here; the server has not said so yet. */
  readonly #answering = new Set<Call>();
  readonly #client: CallClient;
  readonly #events: DeskEvents;
  readonly #now: () => number;

  constructor(client: CallClient, events: DeskEvents, now: () => number) {
    this.#client = client;
    this.#now = now;
    this.#events = events;
    client.on("incomingCall", (call) => {
      const from = call.conferenceId === undefined ? call.remoteUserId : `conference ${call.conferenceId}`;
      events.log(`incoming call ${call.callId} from ${from}${headersText(call)}`);
      this.#take(call);
    });
  }

  /** The incoming calls that wait for an answer. */
  get ringing(): Call[] {
    return this.calls.filter(
      (call) => call.direction === "incoming" && isRinging(call.state) && !this.#answering.has(call),
    );
  }

  /** The calls that are to be heard: what rings, and the one in the foreground. */
  get sounding(): Call[] {
    const { ringing, shown } = this;
    return this.calls.filter(
      (call) => ringing.includes(call) || (call === shown && !this.#answering.has(call)),
    );
  }

  /** Live calls that are neither shown nor ringing. */
  get waiting(): Call[] {
    return this.calls.filter((call) => call !== this.shown && !this.ringing.includes(call));
  }

  place(address: string, video: boolean, kind: Kind = "user"): Promise<void> {
    return this.run(() => {
      this.#holdOthers();
      const call = this.#dial(address, video, kind);
      this.#events.log(`calls ${kind} ${address}${video ? " with video" : ""}: call ${call.callId}`);
      this.#take(call);
      this.shown = call;
    });
  }

  answer(call: Call, video: boolean): Promise<void> {
    return this.run(() => {
      this.#answering.add(call);
      this.shown = call;
      this.#holdOthers(call);
      call.answer({ video });
    });
  }

  /** Brings a waiting call to the foreground and resumes it. */
  show(call: Call): Promise<void> {
    return this.run(() => {
      this.shown = call;
      this.#holdOthers(call);
      if (call.held) call.resume();
    });
  }

  /** Puts an ended call away. */
  dismiss(): void {
    if (this.shown?.state === "ended") this.shown = undefined;
    this.#events.changed();
  }

  /** Does something that may fail, and shows the outcome either way. */
  async run(action: () => unknown): Promise<void> {
    try {
      const doing = action();
      this.#events.changed();
      await doing;
    } catch (thrown) {
      this.#events.failed(thrown);
    }
    this.#events.changed();
  }

  #dial(address: string, video: boolean, kind: Kind): Call {
    const client = this.#client;
    switch (kind) {
      case "phone":
        return client.callPhoneNumber(address);
      case "sip":
        return client.callSip(address, { video });
      case "conference":
        return client.callConference(address, { video });
      case "user":
        return client.callUser(address, { video });
    }
  }

  #holdOthers(but?: Call): void {
    for (const call of this.calls) if (call !== but && talks(call) && !call.held) call.hold();
  }

  #take(call: Call): void {
    this.calls = [...this.calls, call];
    this.since.set(call, this.#now());
    this.#watch(call);
    if (call.conferenceId !== undefined) {
      this.conferences.set(call, new Conference(call, this.#events));
    }
    this.#events.began();
    this.#events.changed();
  }

  #watch(call: Call): void {
    const { changed, log, ended, charged } = this.#events;
    const say = (text: string, level?: "debug" | "warn") => {
      log(`[${call.callId.slice(0, 8)}] ${text}`, level);
      changed();
    };
    call.on("transferred", (next) => {
      say(`transferred to ${next.remoteUserId}: call ${next.callId}`);
      this.#take(next);
      this.shown = next;
    });
    for (const state of ["progressing", "ringing", "answered", "established"] as const) {
      call.on(state, () => {
        if (state === "answered") this.#answering.delete(call);
        say(state);
      });
    }
    call.on("videoTrackAdded", () => say("videoTrackAdded"));
    call.on("remoteTrack", ({ track }) => say(`remoteTrack ${track.kind}`));
    call.on("remoteMedia", (media) => say(`remoteMedia ${JSON.stringify(media)}`));
    call.on("qualityWarning", ({ reason, active }) => {
      if (reason === "mediaLost") this.interrupted[active ? "add" : "delete"](call);
      say(`qualityWarning ${reason} ${active ? "began" : "is over"}`, "warn");
    });
    call.on("dtmf", (keys) => say(`dtmf ${keys}`));
    call.on("cost", ({ amount, currency }) => {
      say(`cost ${amount} millionths of a ${currency}`);
      charged();
    });
    call.on("quality", (quality) => say(`quality ${qualityParts(quality).join(", ")}`, "debug"));
    call.on("ended", () => {
      const { endCause, error } = call.details;
      this.calls = this.calls.filter((other) => other !== call);
      this.interrupted.delete(call);
      this.since.delete(call);
      this.#answering.delete(call);
      this.conferences.delete(call);
      // What ends out of sight is shown only where nothing else is.
      if (!this.shown || this.shown.state === "ended") this.shown = call;
      say(`ended: ${endCause}${error ? `, ${error.code} ${error.message}` : ""}`);
      ended(call);
    });
  }
}

function headersText({ headers }: Call): string {
  return Object.keys(headers).length > 0 ? ` with headers ${JSON.stringify(headers)}` : "";
}
