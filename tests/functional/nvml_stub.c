/* libnvidia-ml.so.1 with one GPU, as far as steward asks: signatures and structures of nvml.h (CUDA 12.8), so that the
   binding itself, and the loading of the library, are tested without a GPU. NVML_STUB=hang: the driver never answers. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OK 0
#define NOT_SUPPORTED 3
#define INSUFFICIENT_SIZE 7
#define TIMEOUT 10
#define MIB (1024ULL * 1024ULL)

typedef void *device;
typedef struct { char legacy[16]; unsigned domain, bus, device, pci_device, pci_subsystem; char id[32]; } pci_info;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_v2;
typedef struct { unsigned gpu, memory; } rates;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } process;
typedef struct { device device; unsigned long long type, data; unsigned gpu_instance, compute_instance; } event;
typedef union { double d; unsigned ui; unsigned long ul; unsigned long long ull; } value;
typedef struct { unsigned id, scope; long long at, latency; unsigned type, returned; value value; } field;

static int gpu, events, xids;
static int put(char *to, unsigned size, const char *text) { strncpy(to, text, size); return OK; }

int nvmlInitWithFlags(unsigned flags) { (void)flags; return OK; }
int nvmlShutdown(void) { return OK; }
int nvmlDeviceGetCount_v2(unsigned *count) {
  const char *mode = getenv("NVML_STUB");
  if (mode && !strcmp(mode, "hang")) for (;;) pause();
  *count = 1;
  return OK;
}
int nvmlSystemGetDriverVersion(char *to, unsigned size) { return put(to, size, "570.133.20"); }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 12080; return OK; }
int nvmlSystemGetProcessName(unsigned pid, char *to, unsigned size) {
  return put(to, size, pid == 41394 ? "/usr/bin/python3.12\x1b[2J" : "?");
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, device *to) { (void)index; *to = &gpu; return OK; }
int nvmlDeviceGetUUID(device d, char *to, unsigned size) { (void)d; return put(to, size, "GPU-4f1c0c1e"); }
int nvmlDeviceGetName(device d, char *to, unsigned size) { (void)d; return put(to, size, "NVIDIA H100 80GB HBM3"); }
int nvmlDeviceGetPciInfo_v3(device d, pci_info *to) { (void)d; return put(to->id, 32, "00000000:18:00.0"); }
int nvmlDeviceGetMemoryInfo_v2(device d, memory_v2 *to) {
  (void)d;
  if (to->version != (sizeof(memory_v2) | 2u << 24)) return 25;
  to->total = 81559 * MIB; to->reserved = 551 * MIB; to->used = 73214 * MIB; to->free = 7794 * MIB;
  return OK;
}
int nvmlDeviceGetUtilizationRates(device d, rates *to) { (void)d; to->gpu = 97; to->memory = 41; return OK; }
int nvmlDeviceGetTemperature(device d, int sensor, unsigned *to) { (void)d; *to = sensor == 0 ? 83 : 0; return OK; }
int nvmlDeviceGetFieldValues(device d, int count, field *to) {
  (void)d;
  for (int i = 0; i < count; i++) { to[i].returned = to[i].id == 82 ? OK : NOT_SUPPORTED; to[i].value.ui = 88; }
  return OK;
}
int nvmlDeviceGetPowerUsage(device d, unsigned *to) { (void)d; *to = 688410; return OK; }
int nvmlDeviceGetEnforcedPowerLimit(device d, unsigned *to) { (void)d; *to = 700000; return OK; }
int nvmlDeviceGetTotalEnergyConsumption(device d, unsigned long long *to) { (void)d; *to = 123456789000ULL; return OK; }
int nvmlDeviceGetClockInfo(device d, int kind, unsigned *to) { (void)d; *to = kind == 1 ? 1410 : kind == 2 ? 2619 : 0; return OK; }
int nvmlDeviceGetMaxClockInfo(device d, int kind, unsigned *to) { (void)d; *to = kind == 1 ? 1980 : 2619; return OK; }
int nvmlDeviceGetCurrentClocksThrottleReasons(device d, unsigned long long *to) { (void)d; *to = 0x4c; return OK; }
int nvmlDeviceGetTotalEccErrors(device d, int kind, int counter, unsigned long long *to) {
  (void)d;
  *to = counter == 0 ? (kind == 0 ? 12 : 0) : 99;
  return OK;
}
int nvmlDeviceGetRemappedRows(device d, unsigned *corrected, unsigned *uncorrected, unsigned *pending, unsigned *failed) {
  (void)d;
  *corrected = 1; *uncorrected = 2; *pending = 0; *failed = 0;
  return OK;
}
int nvmlDeviceGetMigMode(device d, unsigned *now, unsigned *later) { (void)d; *now = *later = 0; return OK; }
int nvmlDeviceGetComputeRunningProcesses_v3(device d, unsigned *count, process *to) {
  (void)d;
  if (*count < 1) { *count = 1; return INSUFFICIENT_SIZE; }
  *count = 1;
  to[0] = (process){41394, 73200 * MIB, 0xffffffffu, 0xffffffffu};
  return OK;
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(device d, unsigned *count, process *to) { (void)d; (void)to; *count = 0; return OK; }
int nvmlEventSetCreate(void **to) { *to = &events; return OK; }
int nvmlEventSetFree(void *set) { (void)set; return OK; }
int nvmlDeviceRegisterEvents(device d, unsigned long long kinds, void *set) {
  (void)d; (void)set;
  xids = kinds == 8;
  return OK;
}
int nvmlEventSetWait_v2(void *set, event *to, unsigned milliseconds) {
  (void)set; (void)milliseconds;
  if (!xids) return TIMEOUT;
  xids = 0;
  *to = (event){&gpu, 8, 31, 0xffffffffu, 0xffffffffu};
  return OK;
}
