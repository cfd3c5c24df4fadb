/** Publish and subscribe within the process. */
export interface LocalChannels {
  /** Tells every subscriber in a later microtask, as a store over the network would. */
  publish(channel: string, message: string): void;
  subscribe(channel: string, onMessage: (message: string) => void): AsyncDisposable;
  clear(): void;
}

/** Creates channels that only this process hears. */
export function createLocalChannels(): LocalChannels {
  const channels = new Map<string, Set<{ onMessage: (message: string) => void }>>();
  return {
    publish(channel, message) {
      for (const subscriber of channels.get(channel) ?? []) {
        queueMicrotask(() => {
          if (channels.get(channel)?.has(subscriber)) subscriber.onMessage(message);
        });
      }
    },
    subscribe(channel, onMessage) {
      const subscriber = { onMessage };
      const subscribers = channels.get(channel) ?? new Set();
      channels.set(channel, subscribers.add(subscriber));
      return {
        async [Symbol.asyncDispose]() {
          subscribers.delete(subscriber);
          if (subscribers.size === 0 && channels.get(channel) === subscribers) channels.delete(channel);
        },
      };
    },
    clear: () => channels.clear(),
  };
}
