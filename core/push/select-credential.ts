/** Which of an application's credentials a device is pushed to with. */
import type { ApnsDevice, FcmDevice, PushDevice, WebPushDevice } from "../../protocol";
import type { PublicPushCredential } from "./credentials";

/** The first of {@link fittingPushCredentials}. */
export function selectPushCredential<C extends PublicPushCredential>(
  device: PushDevice,
  credentials: readonly C[],
): C | undefined {
  return fittingPushCredentials(device, credentials)[0];
}

/**
 * Those that a device may be pushed to with, the best first:
 *
 * - APNs: the most specific one, by bundle id first and by environment then.
 * - FCM: that of the device's project, or the newest where the device names none.
 * - Web Push: the key that the device subscribed with, or the newest where it does not say.
 *
 * What does not fit is left out, even if it is all there is: a push service takes another key for
 * an attack. `credentials` are newest first.
 */
export function fittingPushCredentials<C extends PublicPushCredential>(
  device: PushDevice,
  credentials: readonly C[],
): C[] {
  const fitting = credentials
    .map((credential) => ({ credential, fit: fitOf(device, credential) }))
    .filter(({ fit }) => fit > 0);
  // Sorting keeps the order of what fits equally well.
  return fitting.sort((one, other) => other.fit - one.fit).map(({ credential }) => credential);
}

/** 0 where it does not fit. */
function fitOf(device: PushDevice, credential: PublicPushCredential): number {
  if (device.provider === "apns") return credential.provider === "apns" ? apnsFit(device, credential) : 0;
  if (device.provider === "fcm") return credential.provider === "fcm" ? fcmFit(device, credential) : 0;
  return credential.provider === "webpush" ? webPushFit(device, credential) : 0;
}

function apnsFit(device: ApnsDevice, { bundleId, environment }: Partial<ApnsDevice>): number {
  if (bundleId !== undefined && bundleId !== device.bundleId) return 0;
  if (environment !== undefined && environment !== device.environment) return 0;
  return 1 + (bundleId === undefined ? 0 : 2) + (environment === undefined ? 0 : 1);
}

function fcmFit(device: FcmDevice, { projectId }: { projectId: string }): number {
  return device.projectId === undefined || device.projectId === projectId ? 1 : 0;
}

function webPushFit(
  { applicationServerKey: key }: WebPushDevice,
  { publicKey }: { publicKey: string },
): number {
  return key === undefined || key === publicKey ? 1 : 0;
}
