/** The names that objects are found by. An application key is a GUID, so `/` cannot be forged. */
import type { RoomAddress } from "./conference-room/rpc";
import type { Env } from "./env";
import type { PushSending } from "./user-hub/push-rpc";
import type { UserAddress } from "./user-hub/rpc";

/** The hub of a user. */
export function userHub(env: Env, user: UserAddress) {
  return env.USER_HUB.get(env.USER_HUB.idFromName(`${user.applicationKey}/${user.userId}`));
}

/** The session of a call, which belongs to one application: another one cannot reach it by its id. */
export function callSession(env: Env, applicationKey: string, callId: string) {
  return env.CALL_SESSION.get(env.CALL_SESSION.idFromName(`${applicationKey}/${callId}`));
}

/** The SIP leg of a call. */
export function sipDialog(env: Env, applicationKey: string, callId: string) {
  return env.SIP_DIALOG.get(env.SIP_DIALOG.idFromName(`${applicationKey}/${callId}`));
}

/** The room of a conference. */
export function conferenceRoom(env: Env, { applicationKey, conferenceId }: RoomAddress) {
  return env.CONFERENCE_ROOM.get(env.CONFERENCE_ROOM.idFromName(`${applicationKey}/${conferenceId}`));
}

/** The object that holds the token of a provider's key, by the name that `pushCredentialName` gives it. */
export function pushCredential(env: Env, name: string) {
  return env.PUSH_CREDENTIAL.get(env.PUSH_CREDENTIAL.idFromName(name));
}

/**
 * The Worker's entrypoint that sends pushes, which is not an object's to wait for: what it fetches
 * keeps no object awake.
 */
export function pushSender(ctx: Pick<DurableObjectState, "exports">): PushSending {
  // Its class is of a room above: known here by what it does.
  return (ctx.exports as unknown as { PushSender: PushSending }).PushSender;
}
