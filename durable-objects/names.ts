/** The names that objects are found by. An application key is a GUID, so `/` cannot be forged. */
import type { Env } from "./env";
import type { UserAddress } from "./user-hub/rpc";

/** The hub of a user. */
export function userHub(env: Env, user: UserAddress) {
  return env.USER_HUB.get(env.USER_HUB.idFromName(`${user.applicationKey}/${user.userId}`));
}

/** The session of a call, which belongs to one application: another one cannot reach it by its id. */
export function callSession(env: Env, applicationKey: string, callId: string) {
  return env.CALL_SESSION.get(env.CALL_SESSION.idFromName(`${applicationKey}/${callId}`));
}
