#!/bin/sh
printf 'Content-Type: text/html\r\n\r\n'
cat <<PAGE
<!doctype html><meta charset="utf-8"><title>$(hostname)</title>
<h1>$(hostname)</h1>
<p>A Pileus test guest, up for $(cut -d. -f1 /proc/uptime) seconds. More: <a href="/cgi-bin/echo">/cgi-bin/echo</a></p>
<pre>
$(ip -o addr show scope global | awk '{ print $2, $4 }')
</pre>
PAGE
