"""Stand-ins for TMDB, Prowlarr, a Torznab feed, the Telegram Bot API and a BitTorrent swarm, in one small program.

It speaks the real wire formats with a catalogue of miniature films that the project makes itself, so that Sokoul's own
clients run unchanged and offline, and it misbehaves on demand (`/control/misbehave`) so that tests see every failure.
Nothing here imports the product, and the product imports nothing of it: they meet over HTTP only.
"""
