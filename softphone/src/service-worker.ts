/** The softphone's service worker: shows what comes while no page of it is open. It keeps nothing for offline use. */
import { handlePushes } from "@carillon/sdk/service-worker";

const look = () => ({ icon: "/icon.png" });

handlePushes({
  // The page that registers it says for which application.
  applicationKey: new URLSearchParams(location.search).get("key") ?? "",
  call: look,
  missedCall: look,
  message: look,
});

// A newer one has nothing to wait for.
addEventListener(
  "install",
  () => void (globalThis as unknown as { skipWaiting(): Promise<void> }).skipWaiting(),
);
