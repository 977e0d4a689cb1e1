// A server's serial console.
import { Terminal } from "./vendor/xterm/xterm.mjs";
import { show, socketAddress } from "./address.js";

const terminal = new Terminal({ convertEol: false, cursorBlink: true, scrollback: 5000, cols: 100, rows: 32 });
terminal.open(document.getElementById("screen"));
const address = socketAddress(window.location);
if (address === null) {
  show("closed", "This address holds no console's token.");
} else {
  const socket = new WebSocket(address, ["binary"]);
  socket.binaryType = "arraybuffer";
  const encoder = new TextEncoder();
  socket.addEventListener("open", () => {
    show("connected", "connected; press Enter if nothing shows");
    terminal.focus();
  });
  socket.addEventListener("message", (event) => terminal.write(new Uint8Array(event.data)));
  socket.addEventListener("close", () => show("closed", "The connection ended. A console's address works once: ask for a new one."));
  terminal.onData((text) => {
    if (socket.readyState === WebSocket.OPEN) {
      socket.send(encoder.encode(text));
    }
  });
}
