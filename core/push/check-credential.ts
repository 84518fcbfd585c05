/** What a credential is looked at for before it is kept: a bad key shows now, and not when a call should ring. */
import { fail, ok, type Result } from "../../protocol";
import type { ApnsCredential, FcmCredential, PushCredentialData, VapidCredential } from "./credentials";
import { areOnePair, isBase64Url, isPublicKey, makePair, readPrivateKey } from "./key-forms";

/**
 * The credential as it is kept, when its keys are what its provider takes. Whether they are the ones
 * that the provider knows can only be seen by pushing.
 *
 * Errors: invalidValue, naming the field as an upload has it.
 */
export async function checkPushCredential(upload: PushCredentialData): Promise<Result<PushCredentialData>> {
  switch (upload.provider) {
    case "apns":
      return withKey(upload, "privateKey", "a P-256 key");
    case "fcm":
      return withKey(upload, "serviceAccount.private_key", "an RSA key");
    case "webpush":
      return checkPair(upload);
  }
}

/** With a pair that is made here, so that nobody else ever has its private key. */
export async function makeVapidCredential(subject: string): Promise<VapidCredential> {
  return { provider: "webpush", ...(await makePair()), subject };
}

async function withKey<C extends ApnsCredential | FcmCredential>(
  credential: C,
  field: string,
  wanted: "a P-256 key" | "an RSA key",
): Promise<Result<C>> {
  const read = await readPrivateKey(credential.privateKey, wanted);
  return "pem" in read ? ok({ ...credential, privateKey: read.pem }) : refuse(field, read.problem);
}

async function checkPair(credential: VapidCredential): Promise<Result<VapidCredential>> {
  const { publicKey, privateKey } = credential;
  if (!isBase64Url(publicKey, 65)) {
    return refuse("publicKey", "has to be 65 bytes in base64url, without padding");
  }
  if (!(await isPublicKey(publicKey))) {
    return refuse("publicKey", "is no uncompressed point of the curve P-256");
  }
  if (!isBase64Url(privateKey, 32)) {
    return refuse("privateKey", "has to be 32 bytes in base64url, without padding");
  }
  const fits = await areOnePair(publicKey, privateKey);
  return fits ? ok(credential) : refuse("privateKey", "does not belong to publicKey");
}

function refuse(field: string, problem: string) {
  return fail("invalidValue", { detail: `${field}: ${problem}` });
}
