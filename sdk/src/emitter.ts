type Listener<T> = (value: T) => void;

/** Typed events. A listener that throws does not keep the others, or the SDK, from going on. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** Calls `listener` at every `event`; what is returned ends that. */
  on<E extends keyof Events>(event: E, listener: Listener<Events[E]>): () => void {
    const set = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, set.add(listener));
    return () => {
      set.delete(listener);
    };
  }

  /** @internal False when nobody listens. */
  emit<E extends keyof Events>(
    event: E,
    ...[value]: Events[E] extends undefined ? [] : [Events[E]]
  ): boolean {
    const listeners = [...(this.#listeners.get(event) ?? [])] as Listener<unknown>[];
    for (const listener of listeners) {
      try {
        listener(value);
      } catch (error) {
        // The app's own bug: shown as uncaught, in a task of its own.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return listeners.length > 0;
  }

  /** @internal */
  removeListeners(): void {
    this.#listeners.clear();
  }
}
