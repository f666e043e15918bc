"""The admin dashboard under /dashboard/: lists from each app's admin.py, and the pages that look at all of them at once."""
