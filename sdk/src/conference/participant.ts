import type { MediaState } from "../../../protocol";

/**
 * Somebody in a conference, as it is at the moment: a snapshot. Only `stream` stays the same for as long as
 * the participant is there, so that an element may play it all the time.
 */
export interface Participant {
  /** The participant's; a user may be there twice. */
  readonly id: string;
  /** A user, or the number or address of a phone. */
  readonly userId: string;
  readonly displayName?: string;
  /** Undefined for a user. */
  readonly line?: "phone" | "sip";
  /** When it came, milliseconds since 1970 on the server's clock. */
  readonly joined: number;
  /** It is not heard: by its own choice, or by the app's server's. */
  readonly muted: boolean;
  readonly held: boolean;
  readonly video: MediaState["video"];
  /** The app's server has muted or held it. */
  readonly silenced: boolean;
  /** It has lost the server, and has some seconds to come back. It may be heard all the same. */
  readonly away: boolean;
  readonly speaking: boolean;
  /** What comes in. The SDK plays the sound: show the picture in a muted `<video>`. */
  readonly stream: MediaStream;
}
