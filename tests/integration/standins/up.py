"""`make up` with stand-ins for the product's programs; servers, supervision and everything else are the real ones."""

import sys
from pathlib import Path

from sokoul.stack import up

up.MANAGE = Path(__file__).with_name("manage.py")
up.SETUP = (sys.executable, str(up.MANAGE), "setup")
raise SystemExit(up.main())
