import type { Call } from "@carillon/sdk";
import type { Desk } from "../desk";
import { toggles } from "../perform";
import type { Drawer } from "./call-panel";
import { Icon, type IconName } from "./icon";

interface Props {
  call: Call;
  desk: Desk;
  drawer: Drawer;
  setDrawer(drawer: Drawer): void;
}

const canShare = () => navigator.mediaDevices !== undefined && "getDisplayMedia" in navigator.mediaDevices;

export function Controls({ call, desk, drawer, setDrawer }: Props) {
  const connected = call.state === "established";
  const camera = call.video === "on" || call.video === "paused";
  const conference = call.conferenceId !== undefined;
  const drawerToggle = (which: "keypad" | "devices" | "invite") => () =>
    setDrawer(drawer === which ? undefined : which);
  const toggle = (name: keyof typeof toggles) => () => void toggles[name](desk, call);
  return (
    <fieldset class="controls" aria-label="Call controls">
      {connected && (
        <>
          <Toggle
            testid="mute"
            on={call.muted}
            icon={call.muted ? "muted" : "microphone"}
            onClick={toggle("mute")}
          >
            {call.muted ? "Unmute" : "Mute"}
          </Toggle>
          <Toggle testid="hold" on={call.held} icon={call.held ? "resume" : "hold"} onClick={toggle("hold")}>
            {call.held ? "Resume" : "Hold"}
          </Toggle>
          {call.line !== "phone" && (
            <Toggle testid="video" on={camera} icon="video" onClick={toggle("video")}>
              {camera ? "Stop video" : "Video"}
            </Toggle>
          )}
          {camera && (
            <Toggle testid="pause" on={call.video === "paused"} icon="pause" onClick={toggle("pause")}>
              {call.video === "paused" ? "Go on" : "Pause"}
            </Toggle>
          )}
          {canShare() && call.line !== "phone" && (
            <Toggle testid="screen" on={call.video === "screen"} icon="screen" onClick={toggle("screen")}>
              {call.video === "screen" ? "Stop sharing" : "Share"}
            </Toggle>
          )}
          {conference ? (
            <Toggle testid="invite" on={drawer === "invite"} icon="invite" onClick={drawerToggle("invite")}>
              Invite
            </Toggle>
          ) : (
            <Toggle testid="keypad" on={drawer === "keypad"} icon="keypad" onClick={drawerToggle("keypad")}>
              Keypad
            </Toggle>
          )}
        </>
      )}
      <Toggle testid="devices" on={drawer === "devices"} icon="devices" onClick={drawerToggle("devices")}>
        Devices
      </Toggle>
      <button type="button" class="control danger" data-testid="hangup" onClick={toggle("hangup")}>
        <span class="round">
          <Icon name="hangup" />
        </span>
        {!connected ? "Cancel" : conference ? "Leave" : "Hang up"}
      </button>
    </fieldset>
  );
}

interface ToggleProps {
  testid: string;
  on: boolean;
  icon: IconName;
  onClick(): void;
  children: string;
}

function Toggle({ testid, on, icon, onClick, children }: ToggleProps) {
  return (
    <button
      type="button"
      class={on ? "control on" : "control"}
      data-testid={testid}
      data-on={on}
      onClick={onClick}
    >
      <span class="round">
        <Icon name={icon} />
      </span>
      {children}
    </button>
  );
}
