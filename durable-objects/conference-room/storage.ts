import { weightOf } from "../../core/conferences/outbox";
import type { Room } from "../../core/conferences/room-data";

/** A row takes 2 MB. Above this, what weighs most in a room might not fit into one beside all else. */
const mostInRow = 400_000;
/** Characters, two bytes each at most. */
const part = 900_000;

type Storage = Pick<DurableObjectStorage["kv"], "get" | "put">;

/** Reads a room as {@link storeRoom} has written it. */
export function loadRoom(storage: Storage): Room | undefined {
  const stored = storage.get<Room | { parts: number }>("room");
  if (!stored || !("parts" in stored)) return stored;
  const texts = Array.from({ length: stored.parts }, (_, at) => storage.get<string>(`room.${at}`));
  return JSON.parse(texts.join("")) as Room;
}

/** One row; a few while fifty are told at once what they receive from each other. */
export function storeRoom(storage: Storage, room: Room): void {
  if (weightOf(room) <= mostInRow) {
    storage.put("room", room);
    return;
  }
  const text = JSON.stringify(room);
  const parts = Math.ceil(text.length / part);
  for (let at = 0; at < parts; at += 1) storage.put(`room.${at}`, text.slice(at * part, (at + 1) * part));
  storage.put("room", { parts });
}
