// Where the console's WebSocket is: the page's own address says it, as `path` or as `token`.
export function socketAddress(location) {
  const query = new URLSearchParams(location.search);
  const token = query.get("token");
  const path = query.get("path") || (token ? `console/websocket?token=${encodeURIComponent(token)}` : null);
  if (!path) {
    return null;
  }
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}/${path.replace(/^\/+/, "")}`;
}

export function show(state, text) {
  const status = document.getElementById("status");
  status.dataset.state = state;
  status.textContent = text;
}
