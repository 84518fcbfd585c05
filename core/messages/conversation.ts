import { base64url } from "jose";
import { utf8 } from "../authentication/bytes";

/**
 * The key of a conversation: all messages among the same people, whoever of them sent them. The
 * application itself takes part as the empty user id.
 *
 * It is the ids of one or two participants, sorted and joined by a space, which is in no user id;
 * of more of them a hash, so that it stays short. With its `#` that is longer than any user id.
 */
export async function conversationKey(participants: Iterable<string>): Promise<string> {
  const sorted = [...new Set(participants)].sort();
  const joined = sorted.join(" ");
  if (sorted.length <= 2) return joined;
  const digest = await crypto.subtle.digest("SHA-256", utf8(joined));
  return `#${base64url.encode(new Uint8Array(digest))}`;
}
