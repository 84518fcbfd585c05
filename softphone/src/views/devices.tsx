import type { Call, CarillonClient } from "@carillon/sdk";
import { useEffect, useState } from "preact/hooks";
import type { Desk } from "../desk";

type Audio = Awaited<ReturnType<CarillonClient["audioController"]["devices"]>>;

interface Props {
  client: CarillonClient;
  call: Call;
  desk: Desk;
}

/** Which microphone, camera and loudspeaker; it takes effect in the running call. */
export function Devices({ client, call, desk }: Props) {
  const { audioController, videoController } = client;
  const [audio, setAudio] = useState<Audio>({ inputs: [], outputs: [] });
  const [cameras, setCameras] = useState<MediaDeviceInfo[]>([]);

  useEffect(() => {
    const list = () =>
      void desk.run(async () => {
        const [heard, seen] = await Promise.all([audioController.devices(), videoController.devices()]);
        setAudio(heard);
        setCameras(seen);
      });
    list();
    // Something is plugged in or out.
    navigator.mediaDevices?.addEventListener("devicechange", list);
    return () => navigator.mediaDevices?.removeEventListener("devicechange", list);
  }, [audioController, videoController, desk]);

  const [audioTrack] = call.outgoingStream?.getAudioTracks() ?? [];
  const [videoTrack] = call.outgoingStream?.getVideoTracks() ?? [];
  return (
    <fieldset class="devices" aria-label="Devices">
      <Picker
        label="Microphone"
        devices={audio.inputs}
        chosen={audioTrack?.getSettings().deviceId}
        choose={(id) => desk.run(() => audioController.setInputDevice(id))}
      />
      <Picker
        label="Camera"
        devices={cameras}
        chosen={videoTrack?.getSettings().deviceId}
        choose={(id) => desk.run(() => videoController.setCaptureDevice(id))}
      />
      <Picker
        label="Speaker"
        devices={audio.outputs}
        choose={(id) => desk.run(() => audioController.setOutputDevice(id))}
      />
    </fieldset>
  );
}

interface PickerProps {
  label: string;
  devices: MediaDeviceInfo[];
  chosen?: string;
  choose(deviceId: string): unknown;
}

function Picker({ label, devices, chosen, choose }: PickerProps) {
  return (
    <label>
      {label}
      <select
        disabled={devices.length === 0}
        data-testid={label.toLowerCase()}
        onChange={(event) => choose(event.currentTarget.value)}
      >
        {devices.length === 0 && <option>The browser decides</option>}
        {devices.map(({ deviceId, label: name }, i) => (
          <option key={deviceId} value={deviceId} selected={deviceId === chosen}>
            {name || `${label} ${i + 1}`}
          </option>
        ))}
      </select>
    </label>
  );
}
