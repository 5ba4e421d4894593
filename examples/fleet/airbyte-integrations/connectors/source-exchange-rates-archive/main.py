from source_exchange_rates_archive.run import main

if __name__ == "__main__":
    main()
