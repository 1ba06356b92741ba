import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../../../src/python"))
sys.dont_write_bytecode = True
import spillway_hook
