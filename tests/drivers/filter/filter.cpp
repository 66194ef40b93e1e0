// C++: namespaces, templates, virtual and static members, constructors, lambdas.
#include "../driver.h"

int _fltused;

// What a compiler puts where there is no function.
DRIVER_C int _purecall() { return 0; }

namespace {

struct Record {
    u64 kind;
    u64 *value;
};

u64 hidden_read(const Record &record) {
    u64 *value = record.value;
    HIDE(value);
    volatile u64 seen = record.kind;
    return *(volatile u64 *)value + seen;
}

} // namespace

namespace filter {

class Operation {
  public:
    virtual u64 run(u64 argument) = 0;
    virtual const char *name() const = 0;
};

class Reader : public Operation {
  public:
    explicit Reader(u64 *from) : from_(from) {}
    NOINLINE u64 run(u64 argument) override {
        Record record{argument, from_};
        u64 sum = hidden_read(record);
        return sum + argument;
    }
    const char *name() const override { return "reader"; }

  private:
    u64 *from_;
};

template <typename T, u32 N> class Queue {
  public:
    NOINLINE T push(T item) {
        items_[count_ % N] = item;
        count_ = count_ + 1;
        T last = Queue::check(*this, count_);
        return last + 1;
    }
    NOINLINE static T check(Queue &queue, u32 count) {
        if (count < N)
            return queue.items_[count];
        u64 sum = hidden_read(Record{count, nullptr});
        return static_cast<T>(sum + 2);
    }

  private:
    T items_[N] = {};
    u32 count_ = 0;
};

namespace detail {

template <typename F> NOINLINE u64 twice(F function, u64 argument) {
    u64 first = function(argument);
    u64 second = function(first);
    return first + second;
}

} // namespace detail

class Engine {
  public:
    NOINLINE explicit Engine(u64 kind) : kind_(kind) {
        if (kind == 3)
            kind_ = hidden_read(Record{kind, nullptr}) + 1;
    }
    NOINLINE ~Engine() {
        u64 sum = kind_ == 4 ? hidden_read(Record{kind_, nullptr}) : 1;
        HIDE(sum);
    }
    NOINLINE static u64 dispatch(void *device, u64 request) {
        Engine engine(request);
        u64 sum = engine.handle(request, static_cast<Operation *>(current));
        return sum + reinterpret_cast<u64>(device);
    }
    NOINLINE u64 handle(u64 request, Operation *operation) {
        u64 sum = operation->run(request);
        return sum + kind_;
    }
    NOINLINE u64 operator()(u64 argument) const {
        u64 sum = hidden_read(Record{argument, argument > 6 ? nullptr : const_cast<u64 *>(&kind_)});
        return sum + kind_;
    }
    static Operation *current;

  private:
    u64 kind_;
};

Operation *Engine::current;

} // namespace filter

EXPORT u64 CaseVirtual(u64 argument) {
    filter::Reader reader(nullptr);
    filter::Engine::current = &reader;
    u64 sum = filter::Engine::dispatch(nullptr, argument + 1);
    return sum + 1;
}

EXPORT u64 CaseTemplate(u64 argument) {
    filter::Queue<u32, 4> queue;
    u64 sum = 0;
    for (u32 place = 0; place < 6; place++)
        sum += queue.push(place);
    return sum + argument;
}

EXPORT u64 CaseConstructor(u64 argument) {
    u64 kind = 3;
    HIDE(kind);
    filter::Engine engine(kind);
    return engine(2) + argument;
}

EXPORT u64 CaseDestructor(u64 argument) {
    u64 kind = 4, sum;
    HIDE(kind);
    {
        filter::Engine engine(kind);
        sum = engine(1);
    }
    return sum + argument;
}

EXPORT u64 CaseOperator(u64 argument) {
    filter::Engine engine(argument + 4);
    return filter::detail::twice<filter::Engine &>(engine, 6) + 1;
}

EXPORT u64 CaseStaticMember(u64 argument) {
    filter::Reader reader(nullptr);
    filter::Engine::current = &reader;
    void *device = IoCreateDevice(filter::Engine::dispatch, 1);
    u64 sum = IofCallDriver(device, argument + 2);
    return sum + 1;
}

static u64 on_notify(u64 first, u64 second) {
    filter::Queue<u64, 2> queue;
    u64 sum = queue.push(first) + queue.push(second) + queue.push(3);
    return sum + 1;
}

EXPORT u64 CaseTemplateCallback(u64 argument) {
    ExRegisterCallback(on_notify);
    u64 sum = ExNotifyCallback(argument, 2);
    return sum + 1;
}

EXPORT u64 TourFilter(u64 argument) {
    u64 word = 5;
    filter::Reader reader(&word);
    filter::Engine::current = &reader;
    u64 sum = filter::Engine::dispatch(nullptr, 5);
    filter::Queue<u32, 40> queue;
    sum += queue.push(1) + queue.push(2);
    filter::Engine engine(argument + 1);
    sum += engine(2) + reinterpret_cast<u64>(reader.name());
    return sum + 1;
}

EXPORT u32 DriverEntry(void *driver, void *path) { return driver == path; }
