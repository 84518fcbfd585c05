import type { Room } from "../../core/conferences/room-data";

/** A row takes 2 MB. Characters, two bytes each at most. */
const part = 900_000;

type Storage = Pick<DurableObjectStorage["kv"], "get" | "put">;

/** Reads a room as {@link storeRoom} has written it. */
export function loadRoom(storage: Storage): Room | undefined {
  const stored = storage.get<string | { parts: number }>("room");
  if (stored === undefined) return undefined;
  if (typeof stored === "string") return JSON.parse(stored) as Room;
  const texts = Array.from({ length: stored.parts }, (_, at) => storage.get<string>(`room.${at}`));
  return JSON.parse(texts.join("")) as Room;
}

/**
 * One row; a few while very much waits, or where fifty show each other their video. As text, because its
 * length is known: no value can be more than a row takes.
 */
export function storeRoom(storage: Storage, room: Room): void {
  const text = JSON.stringify(room);
  if (text.length <= part) {
    storage.put("room", text);
    return;
  }
  const parts = Math.ceil(text.length / part);
  for (let at = 0; at < parts; at += 1) storage.put(`room.${at}`, text.slice(at * part, (at + 1) * part));
  storage.put("room", { parts });
}
