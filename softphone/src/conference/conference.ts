/** What the page keeps of a conference besides the SDK's call: how it is looked at, and who is called into it. */
import type { Call, CallEvents } from "@carillon/sdk";
import type { Kind } from "../destination";
import type { Size } from "./layout";
import type { View } from "./people";

type Told = CallEvents["invitation"];
type Silence = CallEvents["silenced"];

/** Somebody who was invited, until it is in, or until the person has read why it did not come. */
export interface Invitation {
  id: string;
  /** As it was typed. */
  to: string;
  /** Undefined until the server has said something. */
  told: Told | undefined;
}

interface Events {
  changed(): void;
  log(text: string): void;
}

export class Conference {
  readonly view: View = { pinned: undefined, follows: false, speaker: undefined };
  invitations: Invitation[] = [];
  /** What the app's server has decided over this person's head. */
  silence: Silence = { muted: false, held: false };
  readonly #call: Call;

  constructor(call: Call, { changed, log }: Events) {
    this.#call = call;
    const say = (text: string) => {
      log(`[${call.callId.slice(0, 8)}] ${text}`);
      changed();
    };
    call.on("participantJoined", ({ userId }) => say(`participantJoined ${userId}`));
    call.on("participantLeft", ({ id, userId }) => {
      if (this.view.pinned === id) this.view.pinned = undefined;
      say(`participantLeft ${userId}`);
    });
    call.on("participantUpdated", changed);
    call.on("activeSpeakers", ([loudest]) => {
      // Whoever spoke last stays in view while nobody does.
      if (loudest) this.view.speaker = loudest.id;
      changed();
    });
    call.on("silenced", (silence) => {
      this.silence = silence;
      say(`silenced ${JSON.stringify(silence)}`);
    });
    call.on("invitation", (told) => {
      const invited = this.invitations.map((one) => (one.id === told.id ? { ...one, told } : one));
      // Who has come is among the tiles.
      this.invitations = invited.filter((one) => one.told?.state !== "answered");
      say(`invitation ${told.state}${told.endCause ? `: ${told.endCause}` : ""}`);
    });
  }

  /** Calls somebody into the conference. */
  invite(address: string, kind: Exclude<Kind, "conference">, video: boolean): void {
    const call = this.#call;
    const ways = {
      user: () => call.invite(address, { video }),
      phone: () => call.invitePhoneNumber(address),
      sip: () => call.inviteSip(address),
    };
    this.invitations = [...this.invitations, { id: ways[kind](), to: address, told: undefined }];
  }

  /** It was read. */
  forget(id: string): void {
    this.invitations = this.invitations.filter((one) => one.id !== id);
  }

  /** Makes a tile large, or as small as the others again. */
  pin(id: string): void {
    this.view.pinned = this.view.pinned === id ? undefined : id;
  }

  /** Whoever speaks is large, or all are alike again. */
  follow(follows: boolean): void {
    this.view.follows = follows;
    this.view.pinned = undefined;
  }

  /** How large somebody's picture is on the screen; null for not at all. */
  seen(id: string, size: Size | null): void {
    const there = this.#call.participants.some((one) => one.id === id);
    if (there) this.#call.setVideoSize(id, size);
  }
}
