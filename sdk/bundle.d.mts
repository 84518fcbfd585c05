import type { BuildOptions } from "esbuild";

type Module = { path: string; contents: Uint8Array };

export function bundle(options: BuildOptions): Promise<Module[]>;
export function moduleOf(module: Module): string;
