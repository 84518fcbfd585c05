import type { Demo } from "./programs";
export async function benchMedia(_demo: Demo): Promise<void> {}
