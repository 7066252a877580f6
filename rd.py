import sys,resource,time
from pathlib import Path
from outgrow.text.tables import read
t=time.time()
try: print(len(read(Path(sys.argv[1])).rows))
except BaseException as e: print(type(e).__name__, str(e)[:150])
print(sys.argv[1], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024,"MB",round(time.time()-t,1))
