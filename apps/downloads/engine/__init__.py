"""The torrent engine: the only door to libtorrent, and the one reader of .torrent files and magnets.

session.Engine runs torrents, events.* is what it tells, metainfo.parse_torrent and parse_magnet read what strangers send.
Nothing here knows Django or the database.
"""
