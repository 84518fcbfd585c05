/** Push services for tests of the whole platform, in this process, and devices that sleep behind them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PushDevice, PushDeviceResult } from "../../protocol";
import { bundleId, credentialsOf, introduce, openMaterial } from "../../scripts/dev/push/material.mjs";
import { type Providers, startProviders } from "../../scripts/dev/push/providers.mjs";
import type { Demo } from "./server";

/** A platform pushes to them with `services.settings` in its environment, once it has the credentials. */
export class PushServices {
  private constructor(
    readonly services: Providers,
    private readonly material: ReturnType<typeof openMaterial>,
  ) {}

  static async start(): Promise<PushServices> {
    const folder = mkdtempSync(join(tmpdir(), "carillon-push-"));
    const material = openMaterial(folder);
    rmSync(folder, { recursive: true });
    const services = await startProviders();
    introduce(services, material);
    return new PushServices(services, material);
  }

  /** Gives an application its credentials for all three. */
  async uploadCredentials({
    url,
    applicationKey,
    applicationSecret,
  }: Pick<Demo, "url" | "applicationKey" | "applicationSecret">): Promise<void> {
    const authorization = `Basic ${btoa(`${applicationKey}:${applicationSecret}`)}`;
    for (const credential of credentialsOf(this.material)) {
      const answer = await fetch(`${url}/v1/push/credentials`, {
        method: "PUT",
        headers: { authorization, "content-type": "application/json" },
        body: JSON.stringify(credential),
      });
      if (answer.status !== 200) throw new Error(`not uploaded: ${await answer.text()}`);
    }
  }

  newDevice(provider: PushDevice["provider"]): PushDevice {
    const { apns, fcm, webpush } = this.services;
    if (provider === "apns") {
      const app = { bundleId, environment: "development" } as const;
      const voipToken = apns.addDevice({ ...app, type: "voip" });
      return { provider, ...app, voipToken, alertToken: apns.addDevice({ ...app, type: "alert" }) };
    }
    if (provider === "fcm") {
      const projectId = this.material.serviceAccount.project_id;
      return { provider, projectId, token: fcm.addDevice({ projectId }) };
    }
    return { provider, ...webpush.subscribe({ applicationServerKey: this.material.vapid.publicKey }) };
  }

  /** How many provider tokens were made. */
  get mints(): { apns: number; fcm: number } {
    const { apns, fcm } = this.services;
    const { material } = this;
    return { apns: apns.mints(material.apns.keyId), fcm: fcm.mints(material.serviceAccount.client_email) };
  }

  close(): Promise<void> {
    return this.services.close();
  }
}

/** How an installation is woken. `instanceToken`: its own. */
export async function setDevice(url: string, instanceToken: string, device: PushDevice): Promise<void> {
  const answer = await fetch(`${url}/v1/push/device`, {
    method: "PUT",
    headers: { authorization: `Bearer ${instanceToken}`, "content-type": "application/json" },
    body: JSON.stringify(device),
  });
  const { deliverable } = (await answer.json()) as PushDeviceResult;
  if (!deliverable) throw new Error(`the device cannot be woken: ${answer.status}`);
}
