// Firmware that passes a float, so that gcc marks it with its float ABI.
unsigned model_run(unsigned scale);
__attribute__((noinline)) float scaled(float x) { return x * (float)model_run(5); }
int main(void) { return (int)scaled(1.5f); }
